using System.Net;

namespace Tidemark.Integration.Service;

/// <summary>What the service says where it cannot do what it is asked, and over which stores its nodes agree.</summary>
[Collection(ServiceCollection.Name)]
public sealed class ServiceOutageTests
{
    [Fact]
    public async Task Without_a_majority_writes_are_refused_or_unknown_and_local_reads_are_answered()
    {
        using ServiceCluster cluster = await ServiceCluster.StartAsync();
        await cluster.PutAsync(2, "key", "1");
        Assert.Equal("1", await cluster.GetAsync(2, "key"));
        await cluster.KillAsync(0);
        await cluster.KillAsync(1);

        HttpStatusCode status;
        do
        {
            using HttpResponseMessage write = await cluster.Http.PutAsync(cluster.At(2, "/kv/other"), new StringContent("2"));
            status = write.StatusCode;
            Assert.True(status is HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout, $"{status}");   // Unknown only while it has not noticed.
        }
        while (status != HttpStatusCode.ServiceUnavailable);

        using HttpResponseMessage read = await cluster.Http.GetAsync(cluster.At(2, "/kv/key"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, read.StatusCode);
        using HttpResponseMessage health = await cluster.Http.GetAsync(cluster.At(2, "/health"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "Unhealthy"), (health.StatusCode, await health.Content.ReadAsStringAsync()));
        Assert.Equal("1", await cluster.GetAsync(2, "key", "local"));

        await cluster.Start(0).ReadyAsync();
        await cluster.PutAsync(2, "key", "3");
        Assert.Equal("3", await cluster.GetAsync(0, "key"));
    }

    [Fact]
    public async Task A_command_line_that_makes_no_sense_is_refused_with_what_it_lacks()
    {
        foreach ((string[] arguments, string message) in ((string[], string)[])
        [
            (["--node", "a"], "--peers is missing"),
            (["--node", "d", "--peers", "a=127.0.0.1:1", "--listen", "127.0.0.1:1", "--http", "127.0.0.1:2", "--data", "x", "--status", "file:y"], "--peers does not name 'd'"),
            (["--node", "a", "--peers", "a=127.0.0.1:1", "--listen", "127.0.0.1:1", "--http", "127.0.0.1:2", "--data", "x", "--status", "paper:y"], "--status begins with"),
        ])
        {
            using ServiceProcess process = ServiceProcess.Start(arguments);
            string errors = await process.WaitAsync();
            Assert.Equal(2, process.ExitCode);
            Assert.Contains(message, errors, StringComparison.Ordinal);
            Assert.Contains("usage:", errors, StringComparison.Ordinal);
        }
    }

    /// <summary>What the other tests here cannot bring about in a process.</summary>
    [Fact]
    public void Each_error_has_its_status_code()
    {
        Assert.Equal(503, StatusOf(new StoreFullException("full")));
        Assert.Equal(504, StatusOf(new OutcomeUnknownException("unknown")));
        Assert.Equal(503, StatusOf(new ShardUnavailableException(0, "nobody leads")));
        Assert.Equal(503, StatusOf(new OverloadedException("too much")));
        Assert.Equal(503, StatusOf(new StoreFailedException("failed")));
        Assert.Equal(503, StatusOf(new ObjectDisposedException("node")));
        Assert.Equal(413, StatusOf(new LimitExceededException("value", 2, 1, "MaxValueBytes")));
        Assert.Equal(400, StatusOf(new ArgumentOutOfRangeException()));
        Assert.Null(StatusOf(new InvalidOperationException()));

        static int? StatusOf(Exception e) => global::Service.Answers.StatusOf(e, CancellationToken.None);
    }

    [ExternalFact("etcd-server")]
    public async Task The_nodes_agree_through_etcd()
    {
        using EtcdServer etcd = await EtcdServer.RunAsync();
        await RunAsync($"etcd:{etcd.Address}");
    }

    [ExternalFact("postgresql")]
    public async Task The_nodes_agree_through_PostgreSQL()
    {
        using PostgresServer postgres = await PostgresServer.RunAsync();
        await RunAsync($"postgres:{postgres.ConnectionString}");
    }

    private static async Task RunAsync(string status)
    {
        using ServiceCluster cluster = await ServiceCluster.StartAsync(status);
        await cluster.PutAsync(0, "key", "1");
        Assert.Equal("1", await cluster.GetAsync(2, "key"));
        int leader = await cluster.LeaderAsync();
        long term = (await cluster.DescribeAsync(leader)).GetProperty("term").GetInt64();
        await cluster.KillAsync(leader);
        int other = (leader + 1) % ServiceCluster.Count;
        await cluster.PutAsync(other, "key", "2");
        await cluster.Start(leader).ReadyAsync();
        Assert.Equal("2", await cluster.GetAsync(leader, "key"));
        Assert.True((await cluster.DescribeAsync(other)).GetProperty("term").GetInt64() > term);
    }
}
