using System.Diagnostics;

using Tidemark;

namespace Quickstart;

/// <summary>What a power cut in the middle of an append costs: tried on a copy, with the sector of a real record missing.</summary>
internal static class TornTail
{
    internal readonly record struct Result(LogRecoveryReport Report, TimeSpan OpenTime, long RecordsKept);

    /// <summary>Copies an open log as a crash would find it, behind one more append of which a sector never reached the disk, and opens the copy.</summary>
    internal static async Task<Result> TryAsync(SegmentedLog log, string copy)
    {
        await log.AppendAsync(new byte[4096].Select((_, i) => (byte)(i % 251 + 1)).ToArray());
        CopyFiles(log.Directory, copy);
        LoseOneSector(Directory.GetFiles(copy, "*.log").Order(StringComparer.Ordinal).Last());

        long begin = Stopwatch.GetTimestamp();
        await using SegmentedLog survivor = await SegmentedLog.OpenAsync(copy);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(begin);
        if (!survivor.Verify().IsWhole) throw new InvalidOperationException("The copy is damaged.");
        return new Result(survivor.Recovery, elapsed, survivor.End - survivor.Start);
    }

    private static void CopyFiles(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string path in Directory.GetFiles(from))
        {
            if (Path.GetFileName(path) != "tidemark.lock") File.Copy(path, Path.Combine(to, Path.GetFileName(path)));
        }
    }

    /// <summary>Zeroes a sector in the middle of the last record: what an unflushed write may leave.</summary>
    private static void LoseOneSector(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int lastByte = bytes.AsSpan().LastIndexOfAnyExcept((byte)0);
        int sector = (lastByte - 2048) / 512 * 512;
        bytes.AsSpan(sector, 512).Clear();
        File.WriteAllBytes(path, bytes);
    }
}
