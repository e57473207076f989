namespace Tidemark.CrashLab;

/// <summary>Opens a store, recovering it, reads every record and checks its content, its version and its place.</summary>
internal sealed class KvVerify : IVerb
{
    public string Name => "kv-verify";

    public string Usage => "kv-verify DIR";

    public async Task<int?> RunAsync(string[] args)
    {
        if (args is not [{ Length: > 0 } directory]) return null;
        List<(string Name, long Version)> survivors = [];
        try
        {
            await using TidemarkStore store = await LabEngine.OpenAnyAsync(directory);
            if (await CheckAsync(store, survivors) is { } wrong)
            {
                Console.Error.WriteLine($"'{directory}': {wrong}");
                return ExitCode.Refused;
            }
        }
        catch (Exception e) when (e is TidemarkException or IOException)
        {
            Console.Error.WriteLine(e.Message);
            return ExitCode.Refused;
        }

        using var output = new StreamWriter(Console.OpenStandardOutput());
        foreach ((string name, _) in survivors) output.WriteLine(name);
        return ExitCode.Done;
    }

    /// <summary>Collects the names of all records by version; says what is wrong with the first that is.</summary>
    private static async Task<string?> CheckAsync(TidemarkStore store, List<(string Name, long Version)> survivors)
    {
        await foreach (StoreRecord record in store.ScanAsync(KeyRange.Children("/record")))
        {
            if (!LabRecord.TryRead(record.Value.Span, out int round, out int sequence)) return $"The record '{record.Key}' is not what was written.";
            string name = LabRecord.NameOf(round, sequence);
            if (record.Key.ToString() != KvWrite.KeyOf(name)) return $"The record of {name} stands under '{record.Key}'.";
            if (record.Modifications != 0) return $"The record '{record.Key}' was put twice.";
            if (!store.TryGet(record.Key, out StoreRecord same) || same.Version != record.Version) return $"The record '{record.Key}' is scanned but not found.";
            survivors.Add((name, record.Version));
        }

        survivors.Sort((left, right) => left.Version.CompareTo(right.Version));
        for (int i = 1; i < survivors.Count; i++)
        {
            if (survivors[i].Version == survivors[i - 1].Version) return $"Two records have the version {survivors[i].Version}.";
        }

        string latest = await store.GetAsync(KvWrite.Latest) is { } found ? found.GetString() : "";
        string last = survivors.Count > 0 ? survivors[^1].Name : "";
        return latest == last ? null : $"The latest record is said to be {latest}, and {last} has the highest version.";
    }
}
