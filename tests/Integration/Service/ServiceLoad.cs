using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace Tidemark.Integration.Service;

/// <summary>Several clients that read and write the same few keys, and keys of their own, through whichever node; and what they were answered.</summary>
internal sealed class ServiceLoad : IDisposable
{
    private const int ClientCount = 6;
    private const int KeyCount = 4;

    private static readonly TimeSpan _requestPatience = TimeSpan.FromSeconds(4);   // A node that is frozen must not hold up a client for longer than it is.

    private readonly ServiceCluster _cluster;
    private readonly HttpClient _http = new() { Timeout = _requestPatience };
    private readonly ConcurrentBag<KeyOperation>[] _histories = [.. Enumerable.Range(0, KeyCount).Select(_ => new ConcurrentBag<KeyOperation>())];
    private readonly ConcurrentDictionary<string, long> _kept = new();   // Keys that are written once, and the version that was acknowledged.
    private readonly CancellationTokenSource _stop = new();
    private readonly Task[] _clients;
    private int _done;

    private ServiceLoad(ServiceCluster cluster, int seed)
    {
        _cluster = cluster;
        _clients = [.. Enumerable.Range(0, ClientCount).Select(number => Task.Run(() => RunAsync(number, new Random(seed + number))))];
    }

    internal static ServiceLoad Start(ServiceCluster cluster, int seed) => new(cluster, seed);

    /// <summary>Waits until a number of operations more was answered.</summary>
    internal async Task ProgressAsync(int count)
    {
        int goal = Volatile.Read(ref _done) + count;
        for (DateTime end = DateTime.UtcNow + ServiceProcess.Patience; Volatile.Read(ref _done) < goal; await Task.Delay(20)) Assert.True(DateTime.UtcNow < end, "nothing is answered any more");
    }

    /// <summary>Ends the load. Everything is up again: looks at what there is, and whether it could be so.</summary>
    internal async Task CheckAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_clients);
        for (int node = 0; node < ServiceCluster.Count; node++)
        {
            for (int key = 0; key < KeyCount; key++) await ReadUntilAnsweredAsync(node, key);
        }

        string[] scans = [.. await Task.WhenAll(Enumerable.Range(0, ServiceCluster.Count).Select(node => _cluster.ScanAsync(node, "consistency=linearizable")))];
        // The reads above have brought each node as far as the last write. What nobody waits for any more may still come, with the same end on all.
        for (DateTime end = DateTime.UtcNow + ServiceProcess.Patience; scans.Distinct().Count() > 1; await Task.Delay(50))
        {
            Assert.True(DateTime.UtcNow < end, "the nodes do not agree");
            for (int node = 0; node < ServiceCluster.Count; node++) scans[node] = await _cluster.ScanAsync(node, "consistency=local");
        }

        Dictionary<string, long> found = scans[0].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)
            .ToDictionary(record => record.GetProperty("key").GetString()!, record => record.GetProperty("version").GetInt64());
        Assert.NotEmpty(_kept);
        foreach ((string key, long version) in _kept) Assert.True(found.GetValueOrDefault(key) == version, $"{key} was acknowledged as {version}, and is {found.GetValueOrDefault(key)}");
        foreach (ConcurrentBag<KeyOperation> history in _histories)
        {
            Assert.Contains(history, operation => operation.Act == KeyAct.Put);
            string? fault = VersionedHistory.FindFault(history);
            Assert.True(fault is null, fault);
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        Task.WaitAll(_clients);
        _http.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync(int number, Random chance)
    {
        var known = new long[KeyCount];   // The version seen last; 0 for none.
        for (int i = 0; !_stop.IsCancellationRequested; i++)
        {
            int node = chance.Next(ServiceCluster.Count), key = chance.Next(KeyCount);
            string value = $"{number}.{i}";
            switch (chance.Next(8))
            {
                case 0 or 1:
                    known[key] = await PutAsync(node, key, value, expected: null) ?? known[key];
                    break;
                case 2 or 3:
                    known[key] = await PutAsync(node, key, value, known[key]) ?? known[key];
                    break;
                case 4 when known[key] > 0:
                    known[key] = await DeleteAsync(node, key, known[key]) ?? known[key];
                    break;
                case 5:
                    string own = $"kept/{number}/{i}";
                    (HttpStatusCode? status, JsonElement answer, _, _) = await SendAsync(HttpMethod.Put, node, own, value);
                    if (status == HttpStatusCode.OK) _kept[own] = VersionIn(answer);
                    break;
                default:
                    known[key] = await ReadAsync(node, key) ?? known[key];
                    break;
            }
        }
    }

    /// <returns>The version there is now, where that is known.</returns>
    private async Task<long?> PutAsync(int node, int key, string value, long? expected)
    {
        (HttpStatusCode? status, JsonElement answer, long began, long ended) = await SendAsync(HttpMethod.Put, node, $"key/{key}{(expected is null ? "" : $"?expectedVersion={expected}")}", value);
        switch (status)
        {
            case HttpStatusCode.OK:
                return Add(key, new KeyOperation(began, ended, KeyAct.Put, VersionIn(answer), value, expected));
            case HttpStatusCode.Conflict:
                Add(key, new KeyOperation(began, ended, KeyAct.PutRefused, 0, value));
                return Add(key, new KeyOperation(began, ended, KeyAct.See, VersionIn(answer)));
            case HttpStatusCode.ServiceUnavailable:
                Add(key, new KeyOperation(began, ended, KeyAct.PutRefused, 0, value));
                return null;
            default:
                Assert.True(status is null or HttpStatusCode.GatewayTimeout, $"a put was answered {status}: {answer}");
                Add(key, new KeyOperation(began, long.MaxValue, KeyAct.PutUnknown, 0, value, expected));
                return null;
        }
    }

    private async Task<long?> DeleteAsync(int node, int key, long version)
    {
        (HttpStatusCode? status, JsonElement answer, long began, long ended) = await SendAsync(HttpMethod.Delete, node, $"key/{key}?expectedVersion={version}", null);
        switch (status)
        {
            case HttpStatusCode.OK:
                Add(key, new KeyOperation(began, ended, KeyAct.Delete, version));
                return 0;
            case HttpStatusCode.NotFound or HttpStatusCode.Conflict:
                return Add(key, new KeyOperation(began, ended, KeyAct.See, VersionIn(answer)));
            case HttpStatusCode.ServiceUnavailable:
                return null;
            default:
                Assert.True(status is null or HttpStatusCode.GatewayTimeout, $"a delete was answered {status}: {answer}");
                Add(key, new KeyOperation(began, long.MaxValue, KeyAct.DeleteUnknown, version));
                return null;
        }
    }

    private async Task<long?> ReadAsync(int node, int key)
    {
        long began = Stopwatch.GetTimestamp();
        try
        {
            using HttpResponseMessage response = await _http.GetAsync(_cluster.At(node, $"/kv/key/{key}"));
            string value = await response.Content.ReadAsStringAsync();
            long ended = Stopwatch.GetTimestamp();
            if (response.StatusCode == HttpStatusCode.NotFound) return Add(key, new KeyOperation(began, ended, KeyAct.See, 0));
            if (response.StatusCode == HttpStatusCode.OK) return Add(key, new KeyOperation(began, ended, KeyAct.See, long.Parse(response.Headers.GetValues("Version").Single()), value));
            Assert.True(response.StatusCode == HttpStatusCode.ServiceUnavailable, $"a read was answered {response.StatusCode}: {value}");
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            await Task.Delay(20);
        }

        return null;
    }

    private async Task ReadUntilAnsweredAsync(int node, int key)
    {
        for (DateTime end = DateTime.UtcNow + ServiceProcess.Patience; await ReadAsync(node, key) is null;) Assert.True(DateTime.UtcNow < end, $"node {node} does not answer");
    }

    /// <summary>Sends a write once.</summary>
    /// <returns>No status where no answer came.</returns>
    private async Task<(HttpStatusCode? Status, JsonElement Answer, long Began, long Ended)> SendAsync(HttpMethod method, int node, string path, string? body)
    {
        long began = Stopwatch.GetTimestamp();
        try
        {
            using var request = new HttpRequestMessage(method, _cluster.At(node, $"/kv/{path}")) { Content = body is null ? null : new StringContent(body) };
            using HttpResponseMessage response = await _http.SendAsync(request);
            var answer = await response.Content.ReadFromJsonAsync<JsonElement>();
            long ended = Stopwatch.GetTimestamp();
            Interlocked.Increment(ref _done);
            return (response.StatusCode, answer, began, ended);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            await Task.Delay(20);   // Not as fast as it can where nobody listens: others need the processor too.
            return (null, default, began, long.MaxValue);
        }
    }

    private long Add(int key, KeyOperation operation)
    {
        _histories[key].Add(operation);
        return operation.Version;
    }

    private static long VersionIn(JsonElement answer) => answer.GetProperty("version").GetInt64();
}
