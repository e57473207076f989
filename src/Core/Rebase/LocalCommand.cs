using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.Rebase;

/// <summary>The entries of a local store's log. Payloads: docs/format/local-state.md.</summary>
internal enum LocalCommand : ushort
{
    Begin = 1,
    Call = 2,
    Refused = 3,
    Answered = 4,
    Pushing = 5,
    Ask = 6,
    Decide = 7,
    Retry = 8,
    Forget = 9,
}

/// <summary>Writes the payloads of entries.</summary>
internal static class LocalCommands
{
    internal static byte[] Begin(KeyOrder order, Guid client) => Write(2, (order, client), static (ref writer, arguments) =>
    {
        writer.Write((long)arguments.order.Number);
        CommandWriter.WriteId(ref writer, arguments.client);
    });

    internal static byte[] Call(string name, int version, HybridTimestamp time, ReadOnlyMemory<byte> arguments)
    {
        var output = new ArrayBufferWriter<byte>(64 + arguments.Length);
        var writer = new MessagePackWriter(output);
        new TimelineEntry(1, name, version, time, arguments).Write(ref writer);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    internal static byte[] Refused(in MutationRun run) => Write(3, run, static (ref writer, run) =>
    {
        writer.Write(run.End == MutationEnd.Rejected);
        writer.Write(run.Code);
        writer.Write(run.Text);
    });

    internal static byte[] Answered(SyncPull asked, Guid spare, ReadOnlySpan<byte> answer)
    {
        var output = new ArrayBufferWriter<byte>(96 + answer.Length);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(4);
        SyncCodec.WritePosition(ref writer, asked.Position);
        if (asked.Bound is { } bound) writer.Write(bound.AsSpan());
        else writer.WriteNil();
        CommandWriter.WriteId(ref writer, spare);
        writer.Write(answer);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    internal static byte[] Pushing(Guid client) => Write(1, client, static (ref writer, client) => CommandWriter.WriteId(ref writer, client));

    internal static byte[] Ask(Guid client, LocalStoreQuestion why, Guid spare) => Write(3, (client, why, spare), static (ref writer, arguments) =>
    {
        CommandWriter.WriteId(ref writer, arguments.client);
        writer.Write((long)arguments.why);
        CommandWriter.WriteId(ref writer, arguments.spare);
    });

    internal static byte[] Decide(LocalStoreAnswer decision, Guid client) => Write(2, (decision, client), static (ref writer, arguments) =>
    {
        writer.Write((long)arguments.decision);
        CommandWriter.WriteId(ref writer, arguments.client);
    });

    internal static byte[] Retry() => Write(0, 0, static (ref _, _) => { });

    internal static byte[] Forget(Guid client, long mutation) => Write(2, (client, mutation), static (ref writer, arguments) =>
    {
        CommandWriter.WriteId(ref writer, arguments.client);
        writer.Write(arguments.mutation);
    });

    private static byte[] Write<T>(int fields, T arguments, Content<T> content)
    {
        var output = new ArrayBufferWriter<byte>(64);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(fields);
        content(ref writer, arguments);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    private delegate void Content<T>(ref MessagePackWriter writer, T arguments);
}

/// <summary>What an entry of a local store came to.</summary>
internal enum LocalStatus
{
    /// <summary>It did what it says.</summary>
    Done = 0,

    /// <summary>It does not fit the state, and changed nothing.</summary>
    NotFitting = 1,

    /// <summary>It is no such entry, and changed nothing.</summary>
    Malformed = 2,

    /// <summary>The mutator of a call rejected it.</summary>
    Rejected = 3,

    /// <summary>The mutator of a call threw, or there is none.</summary>
    Faulted = 4,
}

/// <summary>The answer to an entry of a local store.</summary>
/// <param name="Status">What it came to.</param>
/// <param name="Mutation">The number that a call got; else 0.</param>
/// <param name="Code">Why a call was rejected, for programs.</param>
/// <param name="Text">Why a call was rejected or failed, for people.</param>
internal readonly record struct LocalAnswer(LocalStatus Status, long Mutation = 0, string? Code = null, string? Text = null)
{
    internal void Write(IBufferWriter<byte> output)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(4);
        writer.Write((long)Status);
        writer.Write(Mutation);
        writer.Write(Code);
        writer.Write(Text);
        writer.Flush();
    }

    internal static LocalAnswer Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(4, ref reader);
        return new LocalAnswer((LocalStatus)reader.ReadInt32(), reader.ReadInt64(), reader.ReadString(), reader.ReadString());
    }
}
