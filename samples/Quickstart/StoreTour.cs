using System.Text;

using Tidemark;

namespace Quickstart;

/// <summary>The time-zone table as records under hierarchical keys, and what a store does with them.</summary>
internal static class StoreTour
{
    /// <summary>Puts the zones into a store and shows it; everything said was read back.</summary>
    internal static async Task RunAsync(string directory, string zoneTable, Action<string, string> say)
    {
        (string backup, string copy) = (directory + "-backup", directory + "-restored");
        await using (TidemarkStore store = await TidemarkStore.OpenAsync(directory))
        {
            // 1. Zones as records: /tz/America/Argentina/Buenos_Aires, found again by country.
            Zone[] zones = [.. File.ReadLines(zoneTable).Where(line => line.Length > 0 && line[0] != '#').Select(Zone.Parse)];
            WriteResult[] puts = await Task.WhenAll(zones.Select(zone => store.PutAsync(zone.Key, zone.Value, new PutOptions { Indexes = zone.Countries }).AsTask()));
            say("Put", $"{puts.Count(put => put.Succeeded)} time zones, each on the disk before it counted; the last got version {puts.Max(put => put.Version)}");

            // 2. Direct children, a range, the nearest key, an index.
            say("Children", "of /tz/America/Argentina: " + await JoinAsync(store.ListAsync(KeyRange.Children("/tz/America/Argentina")), key => Last(key)));
            say("Range", "/tz/Europe from L to M: " + await JoinAsync(store.ListAsync(KeyRange.Between("/tz/Europe/L", "/tz/Europe/N")), key => Last(key)));
            StoreRecord? after = await store.GetAsync("/tz/Europe/Zz", new GetOptions { Comparison = KeyComparison.Floor });
            say("Nearest", $"the last zone before /tz/Europe/Zz is {after?.Key}");
            say("Index", "zones of CH: " + await JoinAsync(store.ScanIndexAsync("country", "CH", "CI"), record => Last(record.Key)));

            // 3. Compare and set: of two who read the same version, one writes.
            StoreRecord zurich = (await store.GetAsync("/tz/Europe/Zurich"))!.Value;
            WriteResult first = await store.PutAsync(zurich.Key, "+4723+00832 Swiss time"u8.ToArray(), PutOptions.None.AtVersion(zurich.Version));
            WriteResult second = await store.PutAsync(zurich.Key, "too late"u8.ToArray(), PutOptions.None.AtVersion(zurich.Version));
            say("CAS", $"first: {first.Status}, version {first.Version}; second: {second.Status}, found version {second.Version}");

            // 4. A service registry: records that live as long as the session that put them, watched by others.
            await using IAsyncEnumerator<StoreEvent> watch = store.WatchAsync(KeyRange.Children("/services")).GetAsyncEnumerator();
            await using (StoreSession session = await store.OpenSessionAsync(new SessionOptions { Identity = "worker-1" }))
            {
                await store.PutAsync("/services/clock", "127.0.0.1:7001"u8.ToArray(), new PutOptions { Session = session });
                await watch.MoveNextAsync();
                say("Watch", $"{watch.Current.Kind} {watch.Current.Key} at version {watch.Current.Version}");
            }

            await watch.MoveNextAsync();
            say("", $"{watch.Current.Kind} {watch.Current.Key}: its session ended");

            // 5. A backup, while the store runs.
            BackupReport saved = await store.BackupAsync(backup);
            await store.DeleteAsync("/tz/Europe/Zurich");   // By mistake, after the backup.
            say("Backup", $"{saved.Bytes / 1024.0:F1} KiB in {saved.Shards.Count} shard; Zurich deleted after it");
        }

        // 6. Open again: everything acknowledged is there. And what is not can be got back.
        await using (TidemarkStore store = await TidemarkStore.OpenAsync(directory))
        {
            int count = 0;
            await foreach (StoreKey _ in store.ListAsync(KeyRange.All)) count++;
            say("Reopened", $"{count} records, closed cleanly");
        }

        if (!(await TidemarkStore.VerifyBackupAsync(backup)).IsWhole) throw new InvalidOperationException("The backup is damaged.");
        await TidemarkStore.RestoreAsync(backup, copy);
        await using TidemarkStore restored = await TidemarkStore.OpenAsync(copy);
        say("Restored", $"Zurich says '{(await restored.GetAsync("/tz/Europe/Zurich"))!.Value.GetString()}'");
    }

    private static string Last(StoreKey key) => key.ToString().Split('/')[^1];

    private static async Task<string> JoinAsync<T>(IAsyncEnumerable<T> items, Func<T, string> name)
    {
        List<string> names = [];
        await foreach (T item in items) names.Add(name(item));
        return names.Count <= 6 ? string.Join(", ", names) : $"{string.Join(", ", names.Take(6))} and {names.Count - 6} more";
    }

    /// <summary>A line of the table: countries, coordinates, name, and sometimes a comment.</summary>
    private sealed record Zone(StoreKey Key, byte[] Value, IndexEntry[] Countries)
    {
        internal static Zone Parse(string line)
        {
            string[] columns = line.Split('\t');
            return new Zone("/tz/" + columns[2], Encoding.UTF8.GetBytes(columns[1]), [.. columns[0].Split(',').Select(country => new IndexEntry("country", country))]);
        }
    }
}
