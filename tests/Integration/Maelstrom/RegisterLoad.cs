using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Tidemark.Integration;

/// <summary>Clients that read, write and compare-and-set a few keys, each at one node, and note what they are told.</summary>
internal sealed class RegisterLoad
{
    private const int Keys = 4;
    private const int ProgressPerRound = 20;   // Then come other keys, so that no key has many operations that are open for ever.

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(5);     // As Maelstrom's clients.
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(120);    // Against hangs alone.

    private readonly MaelstromCluster _cluster;
    private readonly ConcurrentDictionary<int, ConcurrentQueue<RegisterOperation>> _histories = new();
    private readonly Task[] _clients;
    private long _moment;
    private int _value;
    private int _done;
    private int _failed;
    private volatile bool _isStopping;

    internal RegisterLoad(MaelstromCluster cluster, int clientsPerNode)
    {
        _cluster = cluster;
        _clients = [.. Enumerable.Range(0, 3 * clientsPerNode).Select(client => Task.Run(() => RunAsync(client)))];
    }

    /// <summary>Waits until so many more writes were acknowledged.</summary>
    internal Task ProgressAsync(int count) => UntilAsync(() => Volatile.Read(ref _done), count);

    /// <summary>Waits until so many more requests failed, or came to nobody knows what.</summary>
    internal Task FailuresAsync(int count) => UntilAsync(() => Volatile.Read(ref _failed), count);

    internal Task StopAsync()
    {
        _isStopping = true;
        return Task.WhenAll(_clients);
    }

    /// <summary>Reads what all keys have come to, so that a write that was denied and is there comes to light.</summary>
    internal Task ReadAllAsync() => Task.WhenAll(_histories.Keys.Select(key => AskAsync(0, key, new JsonObject { ["type"] = "read" })));

    /// <summary>Each key's history is linearizable.</summary>
    internal void Check()
    {
        Assert.NotEmpty(_histories);
        foreach ((int key, ConcurrentQueue<RegisterOperation> history) in _histories)
        {
            if (RegisterHistory.FindMisfit(history) is not { } misfit) continue;
            string all = string.Join('\n', history.OrderBy(operation => operation.Invoked).Select(operation => $"{operation.Invoked} to {operation.Answered}: {operation.Text}"));
            Assert.Fail($"key {key}: '{misfit.Text}', answered at {misfit.Answered}, fits nowhere in\n{all}\n{_cluster.Log}");
        }
    }

    private async Task UntilAsync(Func<int> counter, int count)
    {
        int goal = counter() + count;
        for (long begin = Stopwatch.GetTimestamp(); counter() < goal; await Task.Delay(10))
        {
            Assert.True(Stopwatch.GetElapsedTime(begin) < _longest, $"only {count - (goal - counter())} of {count}\n{_cluster.Log}");
            if (_clients.FirstOrDefault(client => client.IsFaulted) is { } broken) await broken;
        }
    }

    private async Task RunAsync(int client)
    {
        var random = new Random(client);
        int last = 0;   // A value seen lately, so that some comparisons hold.
        while (!_isStopping)
        {
            int key = (Volatile.Read(ref _done) / ProgressPerRound * Keys) + random.Next(Keys);
            JsonObject request = random.Next(10) switch
            {
                < 4 => new JsonObject { ["type"] = "read" },
                < 7 => new JsonObject { ["type"] = "write", ["value"] = Interlocked.Increment(ref _value) },
                _ => new JsonObject { ["type"] = "cas", ["from"] = last, ["to"] = Interlocked.Increment(ref _value), ["create_if_not_exists"] = random.Next(3) == 0 },
            };
            (JsonObject? answer, RegisterOperation? operation) = await AskAsync(client, key, request);
            switch ((string?)answer?["type"])
            {
                case "read_ok":
                    last = (int)answer!["value"]!;
                    break;
                case "write_ok" or "cas_ok":
                    Interlocked.Increment(ref _done);
                    break;
                default:
                    if (operation is null or { Answered: RegisterOperation.Never }) Interlocked.Increment(ref _failed);
                    break;
            }

            await Task.Delay(5);
        }
    }

    private async Task<(JsonObject? Answer, RegisterOperation? Operation)> AskAsync(int client, int key, JsonObject request)
    {
        request["key"] = key;
        long invoked = Interlocked.Increment(ref _moment);
        JsonObject? answer = await _cluster.Network.CallAsync($"c{client + 10}", MaelstromCluster.Name(client % 3), request.ToJsonString(), _patience);
        RegisterOperation? operation = Read(request, answer, invoked, Interlocked.Increment(ref _moment));
        if (operation is not null) _histories.GetOrAdd(key, _ => new ConcurrentQueue<RegisterOperation>()).Enqueue(operation);
        return (answer, operation);
    }

    /// <summary>What an answer says about its key; null for nothing.</summary>
    private static RegisterOperation? Read(JsonObject request, JsonObject? answer, long invoked, long answered)
    {
        string kind = (string)request["type"]!;
        (int from, int to, bool creates) = kind == "cas" ? ((int)request["from"]!, (int)request["to"]!, (bool)request["create_if_not_exists"]!) : default;
        return ((string?)answer?["type"], (int?)answer?["code"]) switch
        {
            ("read_ok", _) when kind == "read" => RegisterOperation.Read(invoked, answered, (int)answer!["value"]!),
            ("write_ok", _) when kind == "write" => RegisterOperation.Write(invoked, answered, (int)request["value"]!),
            ("cas_ok", _) when kind == "cas" => RegisterOperation.CompareAndSet(invoked, answered, from, to, creates),
            ("error", 20) when kind == "read" || (kind == "cas" && !creates) => RegisterOperation.Read(invoked, answered, null),
            ("error", 22) when kind == "cas" => RegisterOperation.Mismatch(invoked, answered, from),
            ("error", 11) => null,   // It surely did not happen.
            (null, _) or ("error", 0 or 13) => kind switch
            {
                "write" => RegisterOperation.Write(invoked, RegisterOperation.Never, (int)request["value"]!),
                "cas" => RegisterOperation.CompareAndSet(invoked, RegisterOperation.Never, from, to, creates),
                _ => null,
            },
            _ => throw new InvalidOperationException($"{request.ToJsonString()} was answered {answer!.ToJsonString()}"),
        };
    }
}
