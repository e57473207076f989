using System.Text;

using Tidemark;
using Tidemark.Testing;

namespace Quickstart;

/// <summary>Three nodes in this process, with a network and disks of their own that are simulated: the leader loses its power in the middle, and nothing acknowledged is lost. Then they cut their log, and nobody is sent a state.</summary>
internal static class ClusterTour
{
    internal static async Task RunAsync(string zoneTable, Action<string, string> say)
    {
        string[] lines = [.. File.ReadLines(zoneTable).Where(line => line.Length > 0 && line[0] != '#')];
        using var cluster = TestCluster.Start();
        say("Cluster", $"3 nodes; node {cluster.Leader} leads after {cluster.Elapsed.TotalMilliseconds:F0} ms of virtual time");

        // A put whose outcome is unknown is not counted; it may be there or not.
        var acknowledged = new Dictionary<string, string>();
        int unknown = 0, first = cluster.Leader;
        for (int i = 0; i < lines.Length; i++)
        {
            if (i == lines.Length / 2) await cluster.CrashAsync(first);
            string key = "/tz/" + lines[i].Split('\t')[2];
            try
            {
                if ((await cluster.Store.PutAsync(key, Encoding.UTF8.GetBytes(lines[i]))).Succeeded) acknowledged[key] = lines[i];
            }
            catch (OutcomeUnknownException)
            {
                unknown++;
            }
        }

        say("Failover", $"node {first} lost its power after {lines.Length / 2} puts; node {cluster.Leader} leads, {acknowledged.Count} acknowledged, {unknown} unknown");

        int found = 0;
        foreach ((string key, string line) in acknowledged)
        {
            if ((await cluster.Store.GetAsync(key))?.GetString() == line) found++;
        }

        cluster.Check();   // The node comes back and catches up: then all three must be equal.
        say("Nothing", $"is lost: {found} of {acknowledged.Count} read back, and the three states are equal ({cluster.MachineOf(0)!.Hash})");
        if (found != acknowledged.Count) throw new InvalidOperationException("An acknowledged record is lost.");

        long before = cluster.BytesSent;
        await cluster.Store.CompactAsync();
        await cluster.Store.PutAsync("/tz/Atlantis", "one more"u8.ToArray());
        CutResult cut = (await cluster.Store.CompactAsync())[0];
        long sent = cluster.BytesSent - before;
        cluster.Check();
        say("Switched", $"the leader and both followers began generation {cut.Generation} with the state each has; two cuts, one put and all heartbeats meanwhile are {sent:N0} bytes, the state is {lines.Sum(line => line.Length):N0}");
        if (sent > lines.Sum(line => line.Length)) throw new InvalidOperationException("A state was sent.");
    }
}
