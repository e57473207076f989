using System.Text;

using Tidemark;
using Tidemark.Testing;

namespace Quickstart;

/// <summary>Three nodes in this process, with a network and disks of their own that are simulated: the leader loses its power in the middle, and nothing acknowledged is lost.</summary>
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
    }
}
