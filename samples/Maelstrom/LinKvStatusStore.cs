using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;

using Tidemark;

namespace Maelstrom;

/// <summary>Keeps the cluster's status in Maelstrom's own service lin-kv, under one key: an object of version and content, so that both change at once.</summary>
/// <remarks>The version is part of what is compared, and only rises: a document that has changed since never equals the one expected.</remarks>
internal sealed class LinKvStatusStore(Link link, string node, TimeSpan patience) : IClusterStatusStore
{
    private const string Service = "lin-kv";
    private const string Key = "tidemark-status";

    private static readonly TimeSpan _pollInterval = TimeSpan.FromMilliseconds(100);

    public async ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Message answer;
        try
        {
            answer = await CallAsync(new JsonObject { ["type"] = "read", ["key"] = Key }, cancellationToken);
        }
        catch (TimeoutException e)
        {
            throw new IOException($"{Service} did not answer a read.", e);
        }

        return answer.Type == "read_ok" && answer.Body.TryGetProperty("value", out JsonElement value) ? Entry(value)
            : ErrorOf(answer) == ErrorCode.KeyDoesNotExist ? null
            : throw new IOException($"{Service} refused a read: {answer.Body}");
    }

    public async ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfNegative(expectedVersion);
        ClusterStatusEntry? found = await ReadAsync(cancellationToken);
        if ((found?.Version ?? 0) != expectedVersion) return null;
        long next = expectedVersion + 1;
        var cas = new JsonObject
        {
            ["type"] = "cas",
            ["key"] = Key,
            ["from"] = found is null ? null : Value(found.Content, found.Version),   // Nothing that is ever there equals null.
            ["to"] = Value(content, next),
            ["create_if_not_exists"] = found is null,
        };
        Message answer;
        try
        {
            answer = await CallAsync(cas, cancellationToken);
        }
        catch (TimeoutException e)
        {
            throw new OutcomeUnknownException($"{Service} did not answer a write.", e);
        }

        return (answer.Type, ErrorOf(answer)) switch
        {
            ("cas_ok", _) => next,
            (_, ErrorCode.KeyDoesNotExist or ErrorCode.PreconditionFailed) => null,
            (_, ErrorCode.NotSupported or ErrorCode.TemporarilyUnavailable or ErrorCode.MalformedRequest or ErrorCode.Abort) =>
                throw new IOException($"{Service} refused a write: {answer.Body}"),
            _ => throw new OutcomeUnknownException($"{Service} does not say what became of a write: {answer.Body}"),
        };
    }

    public async IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            if (await ReadAsync(cancellationToken) is { } entry && entry.Version > afterVersion)
            {
                afterVersion = entry.Version;
                yield return entry;
            }
            else
            {
                await Task.Delay(_pollInterval, cancellationToken);
            }
        }
    }

    private Task<Message> CallAsync(JsonObject body, CancellationToken cancellationToken) => link.CallAsync(node, Service, body, patience, cancellationToken);

    private static JsonObject Value(ReadOnlyMemory<byte> content, long version) => new() { ["version"] = version, ["content"] = Convert.ToBase64String(content.Span) };

    private static ClusterStatusEntry Entry(JsonElement value) =>
        value.ValueKind == JsonValueKind.Object && Message.Number(value, "version") is { } version && value.TryGetProperty("content", out JsonElement content)
            && content.ValueKind == JsonValueKind.String && content.TryGetBytesFromBase64(out byte[]? bytes)
            ? new ClusterStatusEntry(bytes, version)
            : throw new IOException($"{Service} holds something else under '{Key}'.");

    private static ErrorCode? ErrorOf(Message answer) => answer.Type == "error" ? (ErrorCode?)Message.Number(answer.Body, "code") : null;
}
