using Tidemark;

namespace Assertions;

/// <summary>The same on three nodes of this process: somebody corrects a fact after the node that led it has gone, and the correction holds.</summary>
internal static class ClusterTour
{
    private const int Count = 3;

    internal static async Task<bool> RunAsync(IReadOnlyList<Fact> facts)
    {
        var network = new MemoryNetwork();
        var status = new MemoryClusterStatusStore();
        var nodes = new List<TidemarkNode>(await Task.WhenAll(Enumerable.Range(0, Count).Select(number => TidemarkNode.StartAsync(new TidemarkNodeOptions
        {
            Node = number,
            Directory = Path.GetFullPath($"node{number}"),
            FileSystem = new MemoryFileSystem(),
            Members = [.. Enumerable.Range(0, Count)],
            Status = status,
            CreateTransport = _ => network.CreateTransport(number),
        }))));
        try
        {
            FactLog first = await FactLog.OpenAsync(nodes[0].Store, nodes[0].Topics);
            foreach (Fact fact in facts) await first.SayAsync(fact);
            string subject = facts[0].Subject;
            await first.SayAsync(new Fact(subject, "comment", "a first guess"));

            TidemarkNode leader = LeaderOf(nodes, subject);
            nodes.Remove(leader);
            await leader.DisposeAsync();   // It hands over what it leads.
            FactLog log = await FactLog.OpenAsync(nodes[0].Store, nodes[0].Topics);
            await log.SayAsync(new Fact(subject, "comment", "the last word"));
            int again = 0;
            foreach (Fact fact in facts) again += await log.SayAsync(fact) ? 1 : 0;

            List<Said> history = await log.HistoryAsync(fact => fact.Subject == subject && fact.Value is "a first guess" or "the last word");
            await log.IndexAsync();
            SortedDictionary<string, string> index = await log.IndexedAsync();
            bool isSame = index.SequenceEqual(await log.RebuildAsync());
            bool isLater = history is [{ Fact.Value: "a first guess" } guess, { Fact.Value: "the last word" } word] && guess.At < word.At;
            Console.WriteLine($"Cluster     of {Count} nodes: the leader of {subject} went, and {(isLater ? "the last word holds" : "the last word is LOST")}; said once more: {again} were new; the index is {(isSame ? "the same" : "ANOTHER")}.");
            return isSame && isLater && again == 0 && index.ContainsValue("the last word");
        }
        finally
        {
            foreach (TidemarkNode node in nodes) await node.DisposeAsync();
        }
    }

    private static TidemarkNode LeaderOf(List<TidemarkNode> nodes, string subject)
    {
        // The shards of the topic come after that of the default namespace.
        long shard = 1 + nodes[0].Topics.Get("facts").PartitionOf(subject);
        int leader = nodes.SelectMany(node => node.Describe().Shards).Where(found => found.ShardId == shard).MaxBy(found => found.Term)!.Leader;
        return nodes[leader];
    }
}
