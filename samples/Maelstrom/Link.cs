using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Maelstrom;

/// <summary>The line to Maelstrom: messages come on one stream and go on another, each a line of JSON. It also matches the answers to calls made from here.</summary>
/// <remarks>Safe for concurrent calls. One loop reads and one writes.</remarks>
internal sealed class Link : IAsyncDisposable
{
    private const long MostWaitingBytes = 64 * 1024 * 1024;

    private readonly Stream _input;
    private readonly Stream _output;
    private readonly ConcurrentDictionary<long, TaskCompletionSource<Message>> _calls = new();
    private readonly Channel<byte[]> _lines = Channel.CreateUnbounded<byte[]>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Task _writing;
    private long _waitingBytes;
    private long _lastId = Random.Shared.NextInt64(1L << 52);   // An answer to the process that was killed before this one must not fit a call of this one.

    internal Link(Stream input, Stream output)
    {
        (_input, _output) = (input, output);
        _writing = Task.Run(WriteAsync);
    }

    /// <summary>Hands over what comes, one message at a time, until the input ends. Answers go to whoever called.</summary>
    internal async Task ReadAsync(Action<Message> receive)
    {
        using var reader = new StreamReader(_input);
        while (await reader.ReadLineAsync() is { } line)
        {
            if (Message.Read(line) is not { } message) await Console.Error.WriteLineAsync($"No message: {line}");
            else if (message.InReplyTo is not { } id) receive(message);
            else if (_calls.TryRemove(id, out TaskCompletionSource<Message>? call)) call.SetResult(message);
        }
    }

    /// <summary>Sends a message that may be lost. False where too much waits already.</summary>
    internal bool TrySend(string from, string to, JsonObject body) => Volatile.Read(ref _waitingBytes) < MostWaitingBytes && Post(from, to, body);

    /// <summary>Answers a message that has an id.</summary>
    internal void Reply(Message request, JsonObject body)
    {
        body["in_reply_to"] = request.Id;
        Post(request.Destination, request.Source, body);
    }

    /// <summary>Sends a request and waits for its answer.</summary>
    /// <exception cref="TimeoutException">None came in time.</exception>
    /// <exception cref="IOException">It surely was not sent.</exception>
    internal async Task<Message> CallAsync(string from, string to, JsonObject body, TimeSpan patience, CancellationToken cancellationToken)
    {
        long id = Interlocked.Increment(ref _lastId);
        var call = new TaskCompletionSource<Message>(TaskCreationOptions.RunContinuationsAsynchronously);
        _calls[id] = call;
        try
        {
            body["msg_id"] = id;
            if (!Post(from, to, body)) throw new IOException("The output is closed.");
            return await call.Task.WaitAsync(patience, cancellationToken);
        }
        finally
        {
            _calls.TryRemove(id, out _);
        }
    }

    /// <summary>Writes what waits.</summary>
    public async ValueTask DisposeAsync()
    {
        _lines.Writer.TryComplete();
        await _writing;
    }

    private bool Post(string from, string to, JsonObject body)
    {
        byte[] line = JsonText.ToLine(new JsonObject { ["src"] = from, ["dest"] = to, ["body"] = body });
        Interlocked.Add(ref _waitingBytes, line.Length);
        return _lines.Writer.TryWrite(line);
    }

    private async Task WriteAsync()
    {
        try
        {
            await foreach (byte[] line in _lines.Reader.ReadAllAsync())
            {
                await _output.WriteAsync(line);
                await _output.FlushAsync();
                Interlocked.Add(ref _waitingBytes, -line.Length);
            }
        }
        catch (IOException e)
        {
            await Console.Error.WriteLineAsync($"Nobody reads any more: {e.Message}");
        }
        finally
        {
            _lines.Writer.TryComplete();
        }
    }
}
