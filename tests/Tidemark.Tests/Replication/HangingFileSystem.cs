namespace Tidemark.Tests.Replication;

/// <summary>Files in memory of which the next flushes of logs hang, as many as asked for, until they are let go.</summary>
internal sealed class HangingFileSystem : IFileSystem
{
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(90);   // A test that failed lets nothing go.

    private readonly MemoryFileSystem _files = new();
    private readonly TaskCompletionSource _letGo = new();
    private int _toHang;
    private int _hanging;

    /// <summary>How many hang now.</summary>
    internal int Hanging => Volatile.Read(ref _hanging);

    internal void Hang(int flushes) => Volatile.Write(ref _toHang, flushes);

    internal void LetGo() => _letGo.SetResult();

    public void CreateDirectory(string path) => _files.CreateDirectory(path);

    public IReadOnlyList<string> ListFiles(string directory) => _files.ListFiles(directory);

    public bool FileExists(string path) => _files.FileExists(path);

    public IFile Open(string path, FileOpenMode mode)
    {
        IFile file = _files.Open(path, mode);
        return Path.GetFileName(Path.GetDirectoryName(path)) == "log" ? new HangingFile(file, this) : file;
    }

    public void Move(string source, string destination) => _files.Move(source, destination);

    public void Delete(string path) => _files.Delete(path);

    public void FlushDirectory(string path) => _files.FlushDirectory(path);

    public IDisposable Lock(string path) => _files.Lock(path);

    public void ThrowIfLocked(string path) => _files.ThrowIfLocked(path);

    private void MayHang()
    {
        if (Interlocked.Decrement(ref _toHang) < 0) return;
        Interlocked.Increment(ref _hanging);
        _letGo.Task.Wait(_longest);
        Interlocked.Decrement(ref _hanging);
    }

    private sealed class HangingFile(IFile file, HangingFileSystem disk) : IFile
    {
        public long Length => file.Length;

        public int Read(long position, Span<byte> buffer) => file.Read(position, buffer);

        public void Write(long position, ReadOnlySpan<byte> bytes) => file.Write(position, bytes);

        public void SetLength(long length) => file.SetLength(length);

        public void Flush()
        {
            disk.MayHang();
            file.Flush();
        }

        public void Dispose() => file.Dispose();
    }
}
