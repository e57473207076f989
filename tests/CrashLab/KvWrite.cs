using System.Globalization;

namespace Tidemark.CrashLab;

/// <summary>Opens a store, recovering it, and puts records until it is done or killed.</summary>
internal sealed class KvWrite : IVerb
{
    internal const string Latest = "/latest";
    private const int Writers = 3;

    public string Name => "kv-write";

    public string Usage => "kv-write DIR ROUND MAX [--engine " + string.Join('|', LabEngine.All.Keys) + "]";

    public async Task<int?> RunAsync(string[] args)
    {
        if (args.Length is not (3 or 5) || args[0].Length == 0) return null;
        if (!int.TryParse(args[1], NumberStyles.None, CultureInfo.InvariantCulture, out int round)) return null;
        if (!int.TryParse(args[2], NumberStyles.None, CultureInfo.InvariantCulture, out int max)) return null;
        string name = args.Length == 5 ? args[4] : "memory";
        if ((args.Length == 5 && args[3] != "--engine") || !LabEngine.All.TryGetValue(name, out StorageEngine? engine)) return null;

        TidemarkStore store;
        try
        {
            store = await TidemarkStore.OpenAsync(args[0], LabEngine.Options(engine));
        }
        catch (Exception e) when (e is TidemarkException or IOException)
        {
            Console.Error.WriteLine(e.Message);
            return ExitCode.Refused;
        }

        var run = new WriteRun(round, max, (names, records) => PutAsync(store, names, records));
        await run.RunAsync(Writers);
        try
        {
            await store.DisposeAsync();
        }
        catch (Exception e) when (e is TidemarkException or IOException)
        {
            run.Stop(e);
        }

        return run.IsStopped ? ExitCode.Stopped : ExitCode.Done;
    }

    internal static string KeyOf(string name) => "/record/" + name;

    /// <summary>Puts the records and says in the same transaction which is the latest: it must never be another than the last that survives.</summary>
    private static async Task PutAsync(TidemarkStore store, string[] names, byte[][] records)
    {
        var transaction = new StoreTransaction();
        for (int i = 0; i < names.Length; i++) transaction.Put(KeyOf(names[i]), records[i], new PutOptions { ExpectedVersion = 0 });
        transaction.Put(Latest, System.Text.Encoding.ASCII.GetBytes(names[^1]));
        (await store.CommitAsync(transaction)).ThrowIfRefused();
    }
}
