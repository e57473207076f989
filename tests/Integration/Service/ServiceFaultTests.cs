using System.Diagnostics;
using System.Net;

using Tidemark.Tests;

namespace Tidemark.Integration.Service;

/// <summary>The service under load while its processes are killed, frozen and restarted.</summary>
[Collection(ServiceCollection.Name)]
public sealed class ServiceFaultTests
{
    private static readonly TimeSpan _duration = TimeSpan.FromSeconds(60 * Soak.Factor);

    /// <summary>SIGKILL of any node, also of two at once, and a start on the same directory.</summary>
    [Fact]
    public Task Nothing_acknowledged_is_lost_when_processes_are_killed() => RunAsync(async (cluster, load, chance) =>
    {
        int first = chance.Next(ServiceCluster.Count);
        int[] nodes = chance.Next(4) == 0 ? [first, (first + 1) % ServiceCluster.Count] : [first];
        foreach (int node in nodes) await cluster.KillAsync(node);
        if (nodes.Length == 1) await load.ProgressAsync(20);   // The others go on.
        foreach (int node in nodes) cluster.Start(node);
        foreach (int node in nodes) await cluster.Of(node).ReadyAsync();
    });

    /// <summary>SIGSTOP: a leader that does not know that it is none any more, with requests and answers of long ago when it goes on.</summary>
    [Fact]
    public Task Nothing_acknowledged_is_lost_when_processes_are_frozen() => RunAsync(async (cluster, load, chance) =>
    {
        int node = chance.Next(2) == 0 ? await cluster.LeaderAsync() : chance.Next(ServiceCluster.Count);
        cluster.Of(node).Freeze();
        try
        {
            await Task.Delay(chance.Next(200, 3000));
        }
        finally
        {
            cluster.Of(node).Thaw();
        }

        await load.ProgressAsync(20);
    });

    /// <summary>ENOSPC of a real file system, under log, engine and status of any node.</summary>
    [ExternalFact("unshare")]
    public Task Nothing_acknowledged_is_lost_when_disks_are_full() => RunAsync(async (cluster, load, chance) =>
    {
        int node = chance.Next(2) == 0 ? await cluster.LeaderAsync() : chance.Next(ServiceCluster.Count);
        cluster.FillDisk(node);
        await load.ProgressAsync(chance.Next(100, 1000));
        cluster.EmptyDisk(node);
    }, isOnSmallDisks: true);

    [Fact]
    public async Task A_leader_that_is_told_to_end_hands_over_and_no_write_through_the_others_fails()
    {
        using ServiceCluster cluster = await ServiceCluster.StartAsync();
        int leader = await cluster.LeaderAsync();
        int[] others = [.. Enumerable.Range(0, ServiceCluster.Count).Where(node => node != leader)];
        long term = (await cluster.DescribeAsync(leader)).GetProperty("term").GetInt64();
        using var stop = new CancellationTokenSource();
        Task<int>[] writers = [.. others.Select(node => Task.Run(async () =>
        {
            int count = 0;
            for (; !stop.IsCancellationRequested; count++)
            {
                using HttpResponseMessage response = await cluster.Http.PutAsync(cluster.At(node, $"/kv/{node}"), new StringContent($"{count}"));
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            }

            return count;
        }))];

        await cluster.Of(leader).TerminateAsync();
        Assert.Equal(0, cluster.Of(leader).ExitCode);
        Assert.Equal(["ready"], cluster.Of(leader).Lines);
        foreach (int node in others) await cluster.PutAsync(node, "after", "1");
        await stop.CancelAsync();
        int[] written = await Task.WhenAll(writers);
        Assert.All(written, count => Assert.True(count > 0));
        string next = (await cluster.DescribeAsync(others[0])).GetProperty("leader").GetString()!;
        Assert.NotEqual(ServiceCluster.NameOf(leader), next);
        Assert.True((await cluster.DescribeAsync(others[0])).GetProperty("term").GetInt64() > term);

        await cluster.Start(leader).ReadyAsync();
        Assert.Equal($"{written[0] - 1}", await cluster.GetAsync(leader, $"{others[0]}"));
    }

    private static async Task RunAsync(Func<ServiceCluster, ServiceLoad, Random, Task> faultAsync, bool isOnSmallDisks = false)
    {
        int seed = Random.Shared.Next();
        try
        {
            using ServiceCluster cluster = await ServiceCluster.StartAsync(isOnSmallDisks: isOnSmallDisks);
            using ServiceLoad load = ServiceLoad.Start(cluster, seed);
            var chance = new Random(seed);
            long start = Stopwatch.GetTimestamp();
            for (int fault = 0; fault < 3 || Stopwatch.GetElapsedTime(start) < _duration; fault++)
            {
                await load.ProgressAsync(50);
                await faultAsync(cluster, load, chance);
            }

            await load.CheckAsync();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"seed {seed}: {e.Message}", e);
        }
    }
}
