using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace Tidemark.Integration.Service;

/// <summary>Tests of several busy processes run by themselves: beside others a node would be taken for dead that only waits for a processor.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ServiceCollection
{
    internal const string Name = "Service";
}

/// <summary>Three processes of the Service sample, on free ports of this machine and in directories of their own.</summary>
internal sealed class ServiceCluster : IDisposable
{
    internal const int Count = 3;

    private readonly TemporaryDirectory _home = new();
    private readonly ServiceProcess?[] _processes = new ServiceProcess?[Count];
    private readonly int[] _ports = [.. Enumerable.Range(0, Count).Select(_ => StatusServer.FreePort())];
    private readonly int[] _httpPorts = [.. Enumerable.Range(0, Count).Select(_ => StatusServer.FreePort())];
    private readonly string _status;
    private readonly bool _isOnSmallDisks;

    private ServiceCluster(string? status, bool isOnSmallDisks) => (_status, _isOnSmallDisks) = (status ?? $"file:{_home.At("status", "cluster")}", isOnSmallDisks);

    /// <summary>For tests that may wait.</summary>
    internal HttpClient Http { get; } = new() { Timeout = ServiceProcess.Patience };

    internal static string NameOf(int node) => ((char)('a' + node)).ToString();

    /// <summary>Each node has another, where its library is there.</summary>
    private static string EngineOf(int node) => node switch
    {
        1 when ExternalProgram.Exists("liblmdb0") => "lmdb",
        2 when ExternalProgram.Exists("libsqlite3-0") => "sqlite",
        _ => "memory",
    };

    /// <summary>Starts all three, and waits until each serves.</summary>
    /// <param name="status">As on the command line; null for a file.</param>
    /// <param name="isOnSmallDisks">Whether each process has a disk of its own, which <see cref="FillDisk"/> fills and which is gone when the process is.</param>
    internal static async Task<ServiceCluster> StartAsync(string? status = null, bool isOnSmallDisks = false)
    {
        var cluster = new ServiceCluster(status, isOnSmallDisks);
        try
        {
            for (int node = 0; node < Count; node++) cluster.Start(node);
            for (int node = 0; node < Count; node++) await cluster.Of(node).ReadyAsync();
            return cluster;
        }
        catch
        {
            cluster.Dispose();
            throw;
        }
    }

    internal ServiceProcess Of(int node) => _processes[node]!;

    internal ServiceProcess Start(int node)
    {
        string peers = string.Join(',', Enumerable.Range(0, Count).Select(peer => $"{NameOf(peer)}=127.0.0.1:{_ports[peer]}"));
        string data = _home.At(NameOf(node));
        string[] arguments =
        [
            "--node", NameOf(node), "--listen", $"127.0.0.1:{_ports[node]}", "--http", $"127.0.0.1:{_httpPorts[node]}",
            "--peers", peers, "--data", data, "--status", _status, "--engine", EngineOf(node),
        ];
        if (_isOnSmallDisks) Directory.CreateDirectory(data);
        return _processes[node] = _isOnSmallDisks ? ServiceProcess.StartOnSmallDisk(data, arguments) : ServiceProcess.Start(arguments);
    }

    /// <summary>Leaves no byte of room on the disk of a process.</summary>
    internal void FillDisk(int node)
    {
        byte[] zeros = new byte[64 * 1024];
        using FileStream ballast = File.Create(BallastOf(node), bufferSize: 0);
        for (int size = zeros.Length; size > 0;)
        {
            try
            {
                ballast.Write(zeros.AsSpan(0, size));
            }
            catch (IOException)
            {
                size /= 2;
            }
        }
    }

    internal void EmptyDisk(int node) => File.Delete(BallastOf(node));

    private string BallastOf(int node) => Of(node).Inside(_home.At(NameOf(node), "ballast"));

    internal async Task KillAsync(int node)
    {
        await Of(node).KillAsync();
        Of(node).Dispose();
        _processes[node] = null;
    }

    internal Uri At(int node, string path) => new($"http://127.0.0.1:{_httpPorts[node]}{path}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    internal async Task<JsonElement> DescribeAsync(int node) => (await Http.GetFromJsonAsync<JsonElement>(At(node, "/cluster"))).GetProperty("shards")[0];

    /// <summary>Who leads, as one of the nodes says of itself.</summary>
    internal async Task<int> LeaderAsync()
    {
        for (DateTime end = DateTime.UtcNow + ServiceProcess.Patience; DateTime.UtcNow < end; await Task.Delay(20))
        {
            for (int node = 0; node < Count; node++)
            {
                if (_processes[node] is null) continue;
                if ((await DescribeAsync(node)).GetProperty("leader").GetString() == NameOf(node)) return node;
            }
        }

        throw new TimeoutException("nobody leads");
    }

    /// <summary>Writes through a node until it is done.</summary>
    internal async Task<long> PutAsync(int node, string key, string value)
    {
        for (DateTime end = DateTime.UtcNow + ServiceProcess.Patience; ; await Task.Delay(20))
        {
            using HttpResponseMessage response = await Http.PutAsync(At(node, $"/kv/{key}"), new StringContent(value));
            if (response.StatusCode == HttpStatusCode.OK) return (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("version").GetInt64();
            Assert.True(response.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout && DateTime.UtcNow < end, $"{response.StatusCode}");
        }
    }

    internal async Task<string?> GetAsync(int node, string key, string consistency = "linearizable")
    {
        using HttpResponseMessage response = await Http.GetAsync(At(node, $"/kv/{key}?consistency={consistency}"));
        if (response.StatusCode == HttpStatusCode.NotFound) return null;
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadAsStringAsync();
    }

    /// <summary>All records of a node, as lines of JSON.</summary>
    internal async Task<string> ScanAsync(int node, string query = "") => await Http.GetStringAsync(At(node, $"/kv?{query}"));

    public void Dispose()
    {
        foreach (ServiceProcess? process in _processes) process?.Dispose();
        Http.Dispose();
        _home.Dispose();
    }
}
