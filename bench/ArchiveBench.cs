using System.Diagnostics;

using Tidemark.Core.Hashing;

namespace Tidemark.Bench;

/// <summary>What an archive costs those who write meanwhile, and how fast it is filled and restored.</summary>
internal static class ArchiveBench
{
    private const int ValueBytes = 1024;
    private const int Writers = 16;
    private const int FilledMebibytes = 64;
    private const int Keys = FilledMebibytes * 1024;
    private const double Mebibyte = 1024 * 1024;

    /// <summary>
    /// Durable puts of 1 KiB by 16 writers: <c>none</c> without an archive, which is the floor of both, and <c>every-second</c> with one on the same disk that is filled every second.
    /// Then, in MiB a second, <c>copy</c>, of entries that wait, beside copying a file as long with one flush; and <c>restore</c>, beside reading and checksumming the archive.
    /// </summary>
    public static IEnumerable<BenchRow> Run(BenchOptions options) => [.. PutAsync(options).GetAwaiter().GetResult(), .. CopyAsync(options).GetAwaiter().GetResult()];

    private static async Task<BenchRow[]> PutAsync(BenchOptions options)
    {
        using var place = new BenchPlace(options, "archive");
        await using TidemarkStore bare = await TidemarkStore.OpenAsync(place.At("bare"));
        await using TidemarkStore archived = await TidemarkStore.OpenAsync(place.At("store"), With(place.At("archive"), TimeSpan.FromSeconds(1)));
        Samples none = new(), every = new();
        Random[] random = [.. Enumerable.Range(0, Writers).Select(writer => new Random(writer))];
        byte[] value = new byte[ValueBytes];
        new Random(1).NextBytes(value);
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
        for (int round = 0; round < options.Rounds; round++)
        {
            await none.RunAsync(Writers, time, writer => PutAsync(bare, writer));
            await every.RunAsync(Writers, time, writer => PutAsync(archived, writer));
            await archived.ArchiveAsync();   // So that the next round of the other has the disk to itself.
        }

        return [none.ToRow("archive-none", Writers, none), every.ToRow("archive-every-second", Writers, none)];

        async ValueTask PutAsync(TidemarkStore store, int writer) => await store.PutAsync(BenchKeys.Of(random[writer].Next(Keys)), value);
    }

    private static async Task<BenchRow[]> CopyAsync(BenchOptions options)
    {
        using var place = new BenchPlace(options, "archive");
        Samples copy = new(), bareCopy = new(), restore = new(), bareRead = new();
        await using (TidemarkStore store = await TidemarkStore.OpenAsync(place.At("store"), With(place.At("archive"), Timeout.InfiniteTimeSpan)))
        {
            for (int round = 0; round < options.Rounds; round++)
            {
                await CutBench.FillAsync(store, FilledMebibytes);
                long before = LengthOf(place.At("archive"));
                TimeSpan time = await TimeAsync(async () => await store.ArchiveAsync());
                double size = (LengthOf(place.At("archive")) - before) / Mebibyte;
                copy.Add(size, time);
                bareCopy.Add(size, BareDisk.WriteAtOnce(place.At("copy"), (long)(size * Mebibyte)));
            }
        }

        double all = LengthOf(place.At("archive")) / Mebibyte;
        for (int round = 0; round < options.Rounds; round++)
        {
            restore.Add(all, await TimeAsync(async () => await TidemarkStore.RestoreAsync(new FolderArchive(place.At("archive")), place.At("restored"))));
            Directory.Delete(place.At("restored"), recursive: true);
            bareRead.Add(all, await TimeAsync(() => Task.Run(() => ReadBare(place.At("archive")))));
        }

        return [copy.ToRow("archive-copy-MiB", 1, bareCopy), restore.ToRow("archive-restore-MiB", 1, bareRead)];
    }

    private static TidemarkStoreOptions With(string folder, TimeSpan interval) => new() { Archive = new ArchiveOptions { Archive = new FolderArchive(folder), Interval = interval } };

    private static long LengthOf(string folder) => Directory.Exists(folder) ? new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length) : 0;

    private static async Task<TimeSpan> TimeAsync(Func<Task> act)
    {
        long begin = Stopwatch.GetTimestamp();
        await act();
        return Stopwatch.GetElapsedTime(begin);
    }

    private static void ReadBare(string folder)
    {
        byte[] piece = new byte[(int)Mebibyte];
        uint sum = 0;
        foreach (string path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using FileStream file = File.OpenRead(path);
            while (file.Read(piece) is var read and > 0) sum ^= Crc32C.Compute(piece.AsSpan(0, read));
        }

        GC.KeepAlive(sum);
    }
}
