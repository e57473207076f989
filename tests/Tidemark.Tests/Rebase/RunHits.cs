using Tidemark.Testing;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>How often each thing came about in drawn runs of clients: what never did was not tried.</summary>
internal sealed class RunHits
{
    private readonly Dictionary<string, long> _counts = [];
    private readonly Lock _gate = new();

    internal void Add(string what, long times = 1)
    {
        lock (_gate) _counts[what] = _counts.GetValueOrDefault(what) + times;
    }

    /// <summary>Counts what clients are in after a command.</summary>
    internal void AddStateOf(SyncHarness harness)
    {
        foreach (SyncHarnessClient client in harness.Clients)
        {
            if (client.View.Timeline().Where(mutation => mutation.Name == "edit").Select(mutation => mutation.Version).Distinct().Count() > 1) Add("two versions pending");
            if (client.Fields.Download is { Bound.Length: > 0 }) Add("part of a copy");
        }
    }

    /// <summary>Counts what a whole run had.</summary>
    internal void AddEndOf(SyncHarness harness)
    {
        Add("message lost", harness.Network.Lost);
        Add("message twice", harness.Network.Repeated);
        Add("crash", harness.Clients.Sum(client => client.Crashes));
    }

    internal void Require(params string[] all)
    {
        foreach (string what in all) Assert.True(_counts.GetValueOrDefault(what) > 0, $"'{what}' never happened");
    }
}
