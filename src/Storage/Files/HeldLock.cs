namespace Tidemark.Storage.Files;

/// <summary>A lock that is held until disposed; disposing again does nothing.</summary>
internal sealed class HeldLock(Action release) : IDisposable
{
    private Action? _release = release;

    public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
}
