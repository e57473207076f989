namespace Tidemark.Storage.Files;

/// <summary>The locks that are held on a disk in memory.</summary>
internal sealed class HeldLocks
{
    private readonly Lock _gate = new();
    private readonly HashSet<FilePlace> _held = [];

    /// <exception cref="DirectoryLockedException">It is held already.</exception>
    public IDisposable Take(FilePlace place)
    {
        lock (_gate)
        {
            if (!_held.Add(place)) throw Refusal(place);
        }

        return new HeldLock(() =>
        {
            lock (_gate) _held.Remove(place);
        });
    }

    /// <exception cref="DirectoryLockedException">It is held.</exception>
    public void ThrowIfHeld(FilePlace place)
    {
        lock (_gate)
        {
            if (_held.Contains(place)) throw Refusal(place);
        }
    }

    private static DirectoryLockedException Refusal(FilePlace place) => new(place.Directory, Environment.ProcessId, Environment.MachineName);

    /// <summary>A lock that is held until disposed; disposing again does nothing.</summary>
    private sealed class HeldLock(Action release) : IDisposable
    {
        private Action? _release = release;

        public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
    }
}
