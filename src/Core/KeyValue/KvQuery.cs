using System.Buffers;

using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>Questions to a shard as bytes, for whoever cannot look at its state directly.</summary>
/// <remarks>
/// Requests: get <c>[0, encoded key, comparison]</c>, answered nil or <c>[encoded key, row]</c>; scan <c>[1, first encoded key, encoded key after the last,
/// reverse, most records]</c>, answered with an array of <c>[encoded key, row]</c>; outcome <c>[2, client id, sequence]</c>, answered nil or the answer kept.
/// </remarks>
internal static class KvQuery
{
    internal const int Get = 0, Scan = 1, Outcome = 2;
    internal const int MaxScanned = 10_000;

    /// <exception cref="MalformedDataException">The request is none of these.</exception>
    internal static void Answer(StateTable table, ReadOnlySpan<byte> request, IBufferWriter<byte> answer)
    {
        var reader = new MessagePackReader(request);
        int parts = reader.ReadArrayHeader();
        int kind = reader.ReadInt32();
        var writer = new MessagePackWriter(answer);
        switch (kind)
        {
            case Get when parts == 3:
                AnswerGet(table, ref reader, ref writer);
                break;
            case Scan when parts == 5:
                AnswerScan(table, ref reader, ref writer);
                break;
            case Outcome when parts == 3:
                AnswerOutcome(table, ref reader, ref writer);
                break;
            default:
                throw new MalformedDataException(0, $"there is no question {kind} of {parts} parts");
        }

        writer.Flush();
    }

    private static void AnswerGet(StateTable table, ref MessagePackReader reader, ref MessagePackWriter writer)
    {
        ReadOnlySpan<byte> key = reader.ReadBytes();
        var comparison = (KeyComparison)reader.ReadInt32();
        reader.ReadEnd();
        if (comparison is < KeyComparison.Equal or > KeyComparison.Higher) throw new MalformedDataException(0, $"there is no comparison {comparison}");
        using StateReader state = StateReader.Open(table);
        if (key.Length < table.Engine.MaxKeyBytes && KvReads.Find(state, comparison, key) is { } found) WriteRecord(ref writer, found.EncodedKey, found.Row.Span);
        else writer.WriteNil();
    }

    private static void AnswerScan(StateTable table, ref MessagePackReader reader, ref MessagePackWriter writer)
    {
        var range = new EncodedKeyRange(reader.ReadBytes().ToArray(), reader.ReadBytes().ToArray());
        bool isReverse = reader.ReadBoolean();
        int most = Math.Min(reader.ReadInt32(), MaxScanned);
        reader.ReadEnd();
        List<(byte[] Key, ReadOnlyMemory<byte> Row)> found = [];
        using (var scan = new RecordScan(StateReader.Open(table), range, isReverse))
        {
            while (found.Count < most && scan.MoveNext()) found.Add((scan.EncodedKey.ToArray(), scan.Row));
        }

        writer.WriteArrayHeader(found.Count);
        foreach ((byte[] key, ReadOnlyMemory<byte> row) in found) WriteRecord(ref writer, key, row.Span);
    }

    private static void AnswerOutcome(StateTable table, ref MessagePackReader reader, ref MessagePackWriter writer)
    {
        ReadOnlySpan<byte> client = CommandParts.ReadId(ref reader);
        long sequence = reader.ReadInt64();
        reader.ReadEnd();
        using StateReader state = StateReader.Open(table);
        if (state.TryGet(RowKeys.Outcome(client, sequence), out ReadOnlyMemory<byte> kept)) writer.Write(kept.Span);
        else writer.WriteNil();
    }

    private static void WriteRecord(ref MessagePackWriter writer, ReadOnlySpan<byte> key, ReadOnlySpan<byte> row)
    {
        writer.WriteArrayHeader(2);
        writer.Write(key);
        writer.Write(row);
    }
}
