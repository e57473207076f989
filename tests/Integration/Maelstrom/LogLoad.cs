using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace Tidemark.Integration;

/// <summary>Clients of the workload kafka: they send numbers to a few logs, poll them, and note what they are told.</summary>
internal sealed class LogLoad
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(5);   // As Maelstrom's clients.
    private static readonly string[] _keys = ["a", "b", "c"];

    private readonly MaelstromCluster _cluster;
    private readonly ConcurrentDictionary<(string Key, long Offset), int> _seen = new();   // What is where, as anybody was told.
    private readonly ConcurrentQueue<(string Key, long Offset, int Value)> _acknowledged = new();
    private readonly Task[] _clients;
    private int _value;
    private volatile bool _isStopping;

    internal LogLoad(MaelstromCluster cluster)
    {
        _cluster = cluster;
        _clients = [.. Enumerable.Range(0, 6).Select(client => Task.Run(() => client < 4 ? SendAsync(client) : FollowAsync(client)))];
    }

    /// <summary>Waits until so many more messages were acknowledged.</summary>
    internal async Task ProgressAsync(int count)
    {
        int goal = _acknowledged.Count + count;
        for (DateTime end = DateTime.UtcNow.AddSeconds(120); _acknowledged.Count < goal; await Task.Delay(10))
        {
            Assert.True(DateTime.UtcNow < end, $"only {count - (goal - _acknowledged.Count)} of {count}\n{_cluster.Log}");
            if (_clients.FirstOrDefault(client => client.IsFaulted) is { } broken) await broken;
        }
    }

    /// <summary>Everybody stops; then every log is read once more, from its beginning, and has all that was acknowledged where it was said to be.</summary>
    internal async Task StopAndCheckAsync()
    {
        _isStopping = true;
        await Task.WhenAll(_clients);
        var logs = new Dictionary<string, Dictionary<long, int>>();
        foreach (string key in _keys)
        {
            var log = new Dictionary<long, int>();
            for (long next = 0; await PollAsync(0, key, next) is { Count: > 0 } messages; next = messages[^1].Offset + 1)
                foreach ((long offset, int value) in messages) log.Add(offset, value);
            Assert.Equal(log.Count, log.Values.Distinct().Count());   // Nothing is there twice.
            logs[key] = log;
        }

        Assert.All(_acknowledged, sent => Assert.Equal(sent.Value, logs[sent.Key].GetValueOrDefault(sent.Offset, -1)));
        Assert.All(_seen, seen => Assert.Equal(seen.Value, logs[seen.Key.Key].GetValueOrDefault(seen.Key.Offset, -1)));
    }

    private async Task SendAsync(int client)
    {
        while (!_isStopping)
        {
            (string key, int value) = (_keys[client % _keys.Length], Interlocked.Increment(ref _value));
            JsonObject? answer = await CallAsync(client, new JsonObject { ["type"] = "send", ["key"] = key, ["msg"] = value });
            if ((string?)answer?["type"] == "send_ok") _acknowledged.Enqueue((key, (long)answer["offset"]!, value));
            await Task.Delay(5);
        }
    }

    /// <summary>Reads a log on and on: offsets rise, and nobody is ever told something else of one.</summary>
    private async Task FollowAsync(int client)
    {
        for (long next = 0; !_isStopping; await Task.Delay(20))
        {
            if (await PollAsync(client, _keys[client % _keys.Length], next) is not { Count: > 0 } messages) continue;
            foreach ((long offset, int value) in messages)
            {
                Assert.True(offset >= next, "an offset came again, or out of order");
                Assert.Equal(value, _seen.GetOrAdd((_keys[client % _keys.Length], offset), value));
                next = offset + 1;
            }
        }
    }

    private async Task<List<(long Offset, int Value)>?> PollAsync(int client, string key, long from)
    {
        JsonObject? answer = await CallAsync(client, new JsonObject { ["type"] = "poll", ["offsets"] = new JsonObject { [key] = from } });
        return (string?)answer?["type"] == "poll_ok" ? [.. answer["msgs"]![key]!.AsArray().Select(message => ((long)message![0]!, (int)message[1]!))] : null;
    }

    private Task<JsonObject?> CallAsync(int client, JsonObject request) => _cluster.Network.CallAsync($"c{client + 10}", MaelstromCluster.Name(client % 3), request.ToJsonString(), _patience);
}
