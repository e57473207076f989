using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

using Tidemark;

namespace Maelstrom;

/// <summary>Serves what Maelstrom and its clients ask, with a node of a cluster behind it from <c>init</c> on.</summary>
internal sealed class MaelstromNode(Link link, string data) : IAsyncDisposable
{
    private const int MostAtOnce = 256;
    private const int MostMembers = 9;

    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(200);

    private readonly CancellationTokenSource _stopping = new();
    private Task _starting = Task.CompletedTask;
    private int _isInitialized;
    private volatile TidemarkNode? _node;
    private volatile MaelstromTransport? _transport;

    /// <summary>Serves until the input ends and all that came is answered.</summary>
    internal async Task RunAsync()
    {
        var requests = Channel.CreateUnbounded<Message>();
        var limit = new ParallelOptions { MaxDegreeOfParallelism = MostAtOnce };
        Task serving = Parallel.ForEachAsync(requests.Reader.ReadAllAsync(), limit, async (request, _) => await ServeAsync(request));
        await link.ReadAsync(message =>
        {
            if (message.Type == MaelstromTransport.MessageType) _transport?.Receive(message);
            else requests.Writer.TryWrite(message);
        });
        requests.Writer.Complete();
        await serving;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _starting;
        if (_node is { } node) await node.DisposeAsync();
        _stopping.Dispose();
    }

    private async Task ServeAsync(Message request)
    {
        if (request.Id is null)
        {
            await Console.Error.WriteLineAsync($"Whoever sent this can be given no answer: {request.Body}");
            return;
        }

        try
        {
            link.Reply(request, await AnswerAsync(request));
        }
        catch (Exception e)
        {
            link.Reply(request, Errors.ToBody(e));
        }
    }

    private async ValueTask<JsonObject> AnswerAsync(Message request) => request.Type switch
    {
        "init" => Begin(request),
        "echo" => new JsonObject { ["type"] = "echo_ok", ["echo"] = JsonNode.Parse(request["echo"].GetRawText()) },
        "read" => await KeyValueService.ReadAsync(Store, request),
        "write" => await KeyValueService.WriteAsync(Store, request),
        "cas" => await KeyValueService.CompareAndSetAsync(Store, request),
        "send" => await LogService.SendAsync(Node, request),
        "poll" => await LogService.PollAsync(Node, request),
        "commit_offsets" => await LogService.CommitAsync(Store, request),
        "list_committed_offsets" => await LogService.ListAsync(Store, request),
        null => throw new RequestException(ErrorCode.MalformedRequest, "'type' is missing, or no text."),
        _ => throw new RequestException(ErrorCode.NotSupported, $"There is no request '{request.Type}'."),
    };

    private KeyValueStore Store => Node.Store;

    private TidemarkNode Node => _node ?? throw new RequestException(ErrorCode.TemporarilyUnavailable, "The node is not there yet.");

    /// <summary>Takes the node's name and its peers'. The answer does not wait for the node: that needs services and peers, which may come later.</summary>
    private JsonObject Begin(Message request)
    {
        string[] nodes = [.. from id in Items(request["node_ids"]) select id.ValueKind == JsonValueKind.String ? id.GetString() : ""];
        int self = Array.IndexOf(nodes, Message.Text(request.Body, "node_id"));
        if (self < 0 || nodes.Contains("") || nodes.Distinct().Count() < nodes.Length)
            throw new RequestException(ErrorCode.MalformedRequest, "'node_id' is one of 'node_ids', which are different names.");
        if (nodes.Length > MostMembers) throw new RequestException(ErrorCode.NotSupported, $"A cluster has at most {MostMembers} members.");
        if (Interlocked.Exchange(ref _isInitialized, 1) != 0) throw new RequestException(ErrorCode.MalformedRequest, "There was an 'init' before.");
        _starting = Task.Run(() => StartAsync(nodes, self));
        return new JsonObject { ["type"] = "init_ok" };

        static IEnumerable<JsonElement> Items(JsonElement list) => list.ValueKind == JsonValueKind.Array ? list.EnumerateArray() : [];
    }

    private async Task StartAsync(string[] nodes, int self)
    {
        var options = new TidemarkNodeOptions
        {
            Node = self,
            Directory = Path.Combine(data, nodes[self]),
            Members = [.. Enumerable.Range(0, nodes.Length)],
            Status = new LinKvStatusStore(link, nodes[self], TimeSpan.FromSeconds(1)),
            CreateTransport = _ => _transport = new MaelstromTransport(link, nodes, self),
            Heartbeat = TimeSpan.FromMilliseconds(100),
            Suspicion = TimeSpan.FromSeconds(1),
            OperationTimeout = TimeSpan.FromSeconds(3),   // Shorter than Maelstrom's clients wait, so that they are told.
            AnswerPatience = TimeSpan.FromSeconds(1.5),
            LoggerFactory = new StderrLog(),
        };
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                _node = await TidemarkNode.StartAsync(options, _stopping.Token);
                return;
            }
            catch (Exception e) when (!_stopping.IsCancellationRequested)
            {
                await Console.Error.WriteLineAsync($"The node could not be started: {e.Message}");
                await Task.Delay(_pause, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}
