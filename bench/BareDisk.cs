using System.Diagnostics;

namespace Tidemark.Bench;

/// <summary>The disk's sequential bandwidth with flush, in bytes per second: a new file each time, written by one thread.</summary>
internal sealed class BareDisk
{
    private readonly Samples _flushed = new();
    private readonly Samples _atOnce = new();

    /// <summary>A round: a file that grows by flushed writes for a time, then one of as many bytes that is flushed once.</summary>
    internal void Run(string path, byte[] bytes, TimeSpan time)
    {
        long length = 0;
        TimeSpan elapsed = Measure(path, file =>
        {
            for (long begin = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begin) < time; length += bytes.Length)
            {
                file.Write(length, bytes);
                file.Flush();
            }
        });
        _flushed.AddRate(length, elapsed);
        _atOnce.AddRate(length, WriteAtOnce(path, length));
    }

    /// <summary>How long a new file of so many bytes takes that is written by the MiB and flushed once.</summary>
    internal static TimeSpan WriteAtOnce(string path, long length)
    {
        byte[] large = new byte[1024 * 1024];
        new Random(1).NextBytes(large);
        return Measure(path, file =>
        {
            for (long at = 0; at < length; at += large.Length) file.Write(at, large.AsSpan(0, (int)Math.Min(large.Length, length - at)));
            file.Flush();
        });
    }

    /// <summary>What was written beside what the disk takes.</summary>
    /// <param name="bytesPerSecond">What was written.</param>
    internal Bandwidth Beside(double bytesPerSecond) => new(bytesPerSecond / 1e6, _flushed.Rate / 1e6, _atOnce.Rate / 1e6);

    private static TimeSpan Measure(string path, Action<IFile> write)
    {
        TimeSpan elapsed;
        using (IFile file = DiskFileSystem.Instance.Open(path, FileOpenMode.New))
        {
            long begin = Stopwatch.GetTimestamp();
            write(file);
            elapsed = Stopwatch.GetElapsedTime(begin);
        }

        DiskFileSystem.Instance.Delete(path);
        return elapsed;
    }
}
