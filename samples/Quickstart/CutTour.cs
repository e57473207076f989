using System.Text;

using Tidemark;

namespace Quickstart;

/// <summary>A log that has grown is cut: the disk comes back, and a copy of the records goes on where it was.</summary>
internal static class CutTour
{
    private const int Rounds = 20;

    internal static async Task RunAsync(string directory, string zoneTable, Action<string, string> say)
    {
        string[] lines = [.. File.ReadLines(zoneTable).Where(line => line.Length > 0 && line[0] != '#')];
        await using TidemarkStore store = await TidemarkStore.OpenAsync(directory, new TidemarkStoreOptions { LogSegmentBytes = 64 * 1024 });
        for (int round = 0; round < Rounds; round++) await Task.WhenAll(lines.Select(line => store.PutAsync("/tz/" + line.Split('\t')[2], Encoding.UTF8.GetBytes($"{round}: {line}")).AsTask()));
        await using var copy = LocalStore.InMemory(Mutators.Empty);
        await using LocalStoreSync sync = copy.SyncWith(store);
        await sync.CaughtUpAsync();
        (long bytes, long place) = (LogBytes(directory), copy.Position!.Value.Offset);
        say("Grown", $"{Rounds} versions of {lines.Length} records are in {bytes / 1024:N0} KiB of log; a copy in another store is at entry {place}");

        CutResult cut = (await store.CompactAsync())[0];
        await store.PutAsync("/tz/Atlantis", "one more"u8.ToArray());
        CutResult next = (await store.CompactAsync())[0];   // What comes before the generation before goes.
        await sync.CaughtUpAsync();
        for (int wait = 0; wait < 100 && LogBytes(directory) >= bytes; wait++) await Task.Delay(50);   // The state is written down first.
        if (!copy.TryGet("/tz/Atlantis", out _)) throw new InvalidOperationException("The copy lacks a record.");
        say("Cut", $"generations {cut.Generation} and {next.Generation} begin with the state behind entries {cut.Offset} and {next.Offset}, hash {next.Hash}");
        say("Came back", $"{(bytes - LogBytes(directory)) / 1024:N0} KiB of log; the copy went on from entry {place} to {copy.Position!.Value.Offset}, proved by its hash, and was sent one record");
    }

    private static long LogBytes(string directory) => new DirectoryInfo(directory).GetFiles("*.log", SearchOption.AllDirectories).Sum(file => file.Length);
}
