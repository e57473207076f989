namespace Tidemark.Tests;

/// <summary>A directory on the disk that is one test's own and gone after it.</summary>
internal sealed class TestDirectory : IDisposable
{
    public TestDirectory() => Path = Directory.CreateTempSubdirectory("tidemark-").FullName;

    public string Path { get; }

    public string At(params string[] names) => System.IO.Path.Join([Path, .. names]);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
