using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Tests.KeyValue.Model;

/// <summary>A command as the format page lists it. What it says of itself is what a failed test prints.</summary>
internal abstract record ModelCommand(ushort Kind)
{
    /// <summary>The payload as nested arrays of nil, integers and bytes; null for none.</summary>
    protected abstract object?[]? Parts { get; }

    internal byte[] Payload() => Parts is { } parts ? ModelBytes.Pack(parts) : [];
}

internal sealed record Nothing() : ModelCommand(0)
{
    protected override object?[]? Parts => null;
}

internal sealed record Configure(KvSettings Settings) : ModelCommand(1)
{
    protected override object?[] Parts =>
    [
        (long)Settings.KeyOrder.Number, (long)Settings.MaxKeyBytes, (long)Settings.MaxValueBytes, (long)Settings.MaxBatchBytes, (long)Settings.ChangeRows,
        Settings.ChangeBytes, Settings.ClientIdleMilliseconds, (long)Settings.MaxClients, (long)Settings.MaxSessions,
    ];
}

internal sealed record Write(Origin? Origin, Condition[] Conditions, Operation[] Operations) : ModelCommand(2)
{
    protected override object?[] Parts =>
    [
        Origin is { } origin ? new object?[] { ModelBytes.Id(origin.Client), origin.Sequence, origin.Floor } : null,
        Conditions.Select(condition => (object?)new object?[] { condition.Key.Bytes, condition.Version }).ToArray(),
        Operations.Select(operation => (object?)operation.Parts).ToArray(),
    ];

    public override string ToString() => $"Write {Origin} if [{string.Join(", ", Conditions)}] do [{string.Join<Operation>(", ", Operations)}]";
}

internal sealed record OpenSession(Guid Session, long Timeout, Text? Identity) : ModelCommand(3)
{
    protected override object?[] Parts => [ModelBytes.Id(Session), Timeout, Identity?.Bytes];
}

internal sealed record CloseSession(Guid Session) : ModelCommand(4)
{
    protected override object?[] Parts => [ModelBytes.Id(Session)];
}

internal sealed record ExpireSessions(Guid[] Sessions) : ModelCommand(5)
{
    protected override object?[] Parts => [.. Sessions.Select(ModelBytes.Id)];

    public override string ToString() => $"ExpireSessions [{string.Join(", ", Sessions)}]";
}

internal sealed record ExpireRecords(KeyOrder Order, (Text Key, long Version)[] Records) : ModelCommand(6)
{
    protected override object?[] Parts => [.. Records.Select(record => new object?[] { Order.Encode(record.Key.Bytes), record.Version })];

    public override string ToString() => $"ExpireRecords [{string.Join(", ", Records)}]";
}

internal sealed record RegisterClient(Guid Client) : ModelCommand(7)
{
    protected override object?[] Parts => [ModelBytes.Id(Client)];
}

internal sealed record ForgetClients((Guid Client, HybridTimestamp? LastUsed)[] Clients) : ModelCommand(8)
{
    protected override object?[] Parts => [.. Clients.Select(client => new object?[] { ModelBytes.Id(client.Client), client.LastUsed?.Value })];

    public override string ToString() => $"ForgetClients [{string.Join(", ", Clients)}]";
}

internal readonly record struct Origin(Guid Client, long Sequence, long Floor);

internal readonly record struct Condition(Text Key, long Version);

internal abstract record Operation
{
    internal abstract object?[] Parts { get; }
}

internal sealed record Put(Text Key, Text Value) : Operation
{
    public long? ExpectedVersion { get; init; }

    public Guid? Session { get; init; }

    public Text? PartitionKey { get; init; }

    public long? TimeToLive { get; init; }

    public (Text Index, Text Key)[] Indexes { get; init; } = [];

    public long[]? Deltas { get; init; }

    internal override object?[] Parts =>
    [
        0L, Key.Bytes, Value.Bytes, ExpectedVersion, Session is { } session ? ModelBytes.Id(session) : null, PartitionKey?.Bytes, TimeToLive,
        Indexes.Length == 0 ? null : Indexes.Select(entry => (object?)new object?[] { entry.Index.Bytes, entry.Key.Bytes }).ToArray(),
        Deltas?.Select(delta => (object?)delta).ToArray(),
    ];

    public override string ToString() =>
        $"Put {Key}={Value} at {ExpectedVersion} in {Session} by {PartitionKey} for {TimeToLive} under [{string.Join(", ", Indexes)}] "
        + (Deltas is null ? "" : $"next [{string.Join(", ", Deltas)}]");
}

internal sealed record Delete(Text Key, long? ExpectedVersion) : Operation
{
    internal override object?[] Parts => [1L, Key.Bytes, ExpectedVersion];
}

internal sealed record DeleteRange(KeyRangeKind Kind, Text Start, Text End) : Operation
{
    internal override object?[] Parts => [2L, (long)Kind, Start.Bytes, End.Bytes];
}

/// <summary>Bytes that compare and print as what they hold.</summary>
internal sealed record Text(byte[] Bytes)
{
    public static implicit operator Text(string latin) => new([.. latin.Select(letter => (byte)letter)]);

    public bool Equals(Text? other) => other is not null && Bytes.AsSpan().SequenceEqual(other.Bytes);

    public override int GetHashCode() => Bytes.Length;

    public override string ToString() => Bytes.Length > 40 ? $"({Bytes.Length} bytes)"
        : '"' + string.Concat(Bytes.Select(value => value is >= 0x20 and < 0x7F ? ((char)value).ToString() : $"\\x{value:X2}")) + '"';
}

internal static class ModelBytes
{
    internal static byte[] Id(Guid id) => id.ToByteArray(bigEndian: true);

    internal static byte[] Pack(object?[] parts)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        Pack(ref writer, parts);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    private static void Pack(ref MessagePackWriter writer, object? part)
    {
        switch (part)
        {
            case null:
                writer.WriteNil();
                break;
            case long number:
                writer.Write(number);
                break;
            case ulong number:
                writer.Write(number);
                break;
            case byte[] bytes:
                writer.Write(bytes.AsSpan());
                break;
            case string text:
                writer.Write(text);
                break;
            case object?[] array:
                writer.WriteArrayHeader(array.Length);
                foreach (object? element in array) Pack(ref writer, element);
                break;
            default:
                throw new ArgumentException($"no format for {part.GetType().Name}", nameof(part));
        }
    }
}
