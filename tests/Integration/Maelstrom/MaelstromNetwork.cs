using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

using Maelstrom;

namespace Tidemark.Integration;

/// <summary>What the network looks at to decide on a message.</summary>
internal readonly record struct Envelope(string Source, string Destination, string Type);

/// <summary>Plays Maelstrom: routes lines between nodes, its own service lin-kv, and clients, whose names begin with a 'c'. Whatever breaks the protocol is noted.</summary>
internal sealed class MaelstromNetwork : IAsyncDisposable
{
    internal const string Service = "lin-kv";

    private readonly ConcurrentDictionary<string, ChannelWriter<string>> _nodes = new();
    private readonly ConcurrentDictionary<long, TaskCompletionSource<JsonObject>> _calls = new();
    private readonly ConcurrentDictionary<string, JsonNode?> _values = new();   // Of lin-kv, by the key's text.
    private readonly ConcurrentBag<IAsyncDisposable> _links = [];
    private readonly Lock _gate = new();
    private readonly Random _random = new(1);
    private long _lastCall;

    /// <summary>Whether a message that no client sends or gets is lost.</summary>
    internal Func<Envelope, bool> Drops { get; set; } = _ => false;

    /// <summary>The longest that such a message is under way.</summary>
    internal TimeSpan MostDelay { get; set; }

    internal ConcurrentQueue<string> Faults { get; } = new();

    /// <summary>Lets a node take part. Both tasks end with their stream.</summary>
    internal void Attach(string name, Stream toNode, Stream fromNode)
    {
        var lines = Channel.CreateUnbounded<string>();
        _nodes[name] = lines.Writer;
        _ = Task.Run(async () =>
        {
            await using var writer = new StreamWriter(toNode) { NewLine = "\n" };
            try
            {
                await foreach (string line in lines.Reader.ReadAllAsync())
                {
                    await writer.WriteLineAsync(line);
                    await writer.FlushAsync();
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
            {
                // It was killed.
            }
        });
        _ = Task.Run(async () =>
        {
            using var reader = new StreamReader(fromNode);
            while (await reader.ReadLineAsync() is { } line)
            {
                if (TryTake(name, line)) continue;
                if (await reader.ReadLineAsync() is not null) Faults.Enqueue($"{name} writes what is no message: '{line}'");   // The last line of a process that is killed may be cut short.
            }
        });
    }

    /// <summary>Nothing more is written to the node; its input ends.</summary>
    internal void Detach(string name)
    {
        if (_nodes.TryRemove(name, out ChannelWriter<string>? writer)) writer.TryComplete();
    }

    /// <summary>Connects a node that lives in this process.</summary>
    internal Link CreateLink(string name, Action<Message>? receive = null)
    {
        var (down, up) = (new Pipe(), new Pipe());
        Attach(name, down.Writer.AsStream(), up.Reader.AsStream());
        var link = new Link(down.Reader.AsStream(), up.Writer.AsStream());
        _ = Task.Run(() => link.ReadAsync(receive ?? (_ => { })));
        _links.Add(link);
        return link;
    }

    /// <summary>Sends a client's request, an object that is not empty, and waits for the answer's body; null where none comes in time.</summary>
    internal async Task<JsonObject?> CallAsync(string client, string node, string body, TimeSpan patience)
    {
        long id = Interlocked.Increment(ref _lastCall);
        TaskCompletionSource<JsonObject> call = _calls[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Write(node, $$$"""{"src":"{{{client}}}","dest":"{{{node}}}","body":{"msg_id":{{{id}}},{{{body[1..]}}}}""");
        try
        {
            return await call.Task.WaitAsync(patience);
        }
        catch (TimeoutException)
        {
            return null;   // The answer may still come, once.
        }
    }

    /// <summary>Gives a line to a node.</summary>
    internal void Write(string node, string line) => _nodes.GetValueOrDefault(node)?.TryWrite(line);

    public async ValueTask DisposeAsync()
    {
        foreach (string name in _nodes.Keys) Detach(name);
        foreach (IAsyncDisposable link in _links) await link.DisposeAsync();
    }

    private bool TryTake(string from, string line)
    {
        try
        {
            JsonNode message = JsonNode.Parse(line)!;
            var envelope = new Envelope((string)message["src"]!, (string)message["dest"]!, (string)message["body"]!["type"]!);
            if (envelope.Source != from) Faults.Enqueue($"{from} speaks as {envelope.Source}: {line}");
            else Route(envelope, message, line);
            return true;
        }
        catch (Exception e) when (e is JsonException or NullReferenceException or InvalidOperationException)
        {
            return false;
        }
    }

    private void Route(Envelope envelope, JsonNode message, string line)
    {
        if (envelope.Destination[0] == 'c')
        {
            var body = (JsonObject)message["body"]!;
            if (_calls.TryRemove((long)body["in_reply_to"]!, out TaskCompletionSource<JsonObject>? call)) call.SetResult(body);
            else Faults.Enqueue($"Nobody asked for this, or it was answered before: {line}");
            return;
        }

        if (Drops(envelope)) return;
        if (MostDelay == TimeSpan.Zero) Deliver(envelope, message, line);
        else _ = DeliverLaterAsync(envelope, message, line);
    }

    private async Task DeliverLaterAsync(Envelope envelope, JsonNode message, string line)
    {
        TimeSpan delay;
        lock (_gate) delay = MostDelay * _random.NextDouble();
        await Task.Delay(delay);
        Deliver(envelope, message, line);
    }

    private void Deliver(Envelope envelope, JsonNode message, string line)
    {
        if (envelope.Destination != Service)
        {
            Write(envelope.Destination, line);
            return;
        }

        JsonNode request = message["body"]!;
        JsonObject answer;
        lock (_gate) answer = Serve(request);
        answer["in_reply_to"] = (long)request["msg_id"]!;
        var reply = new JsonObject { ["src"] = Service, ["dest"] = envelope.Source, ["body"] = answer };
        Route(new Envelope(Service, envelope.Source, (string)answer["type"]!), reply, reply.ToJsonString());
    }

    private JsonObject Serve(JsonNode request)
    {
        string key = request["key"]!.ToJsonString();
        bool exists = _values.TryGetValue(key, out JsonNode? value);
        switch ((string)request["type"]!)
        {
            case "read":
                return exists ? new JsonObject { ["type"] = "read_ok", ["value"] = value?.DeepClone() } : Error(ErrorCode.KeyDoesNotExist);
            case "cas":
                if (!exists && (bool?)request["create_if_not_exists"] != true) return Error(ErrorCode.KeyDoesNotExist);
                if (exists && !JsonNode.DeepEquals(value, request["from"])) return Error(ErrorCode.PreconditionFailed);
                _values[key] = request["to"]?.DeepClone();
                return new JsonObject { ["type"] = "cas_ok" };
            default:
                return Error(ErrorCode.NotSupported);
        }
    }

    private static JsonObject Error(ErrorCode code) => new() { ["type"] = "error", ["code"] = (int)code };
}
