using System.Buffers;
using System.Buffers.Text;

using Tidemark.Core.MessagePack;

namespace Tidemark.Core.KeyValue;

/// <summary>The numbers a sequence has come to, one for each part of its keys.</summary>
internal static class SequenceParts
{
    private const int Digits = 20;

    /// <summary>Moves the parts on by the steps; new parts begin at 0. Unchanged where refused.</summary>
    internal static StoreStatus TryAdvance(ref long[] parts, long[] deltas)
    {
        if (deltas.Length is 0 or > RecordTable.MaxSequenceParts || deltas[0] <= 0) return StoreStatus.SequenceMalformed;
        if (deltas.Length < parts.Length) return StoreStatus.SequenceTooShort;
        var next = new long[deltas.Length];
        for (int i = 0; i < deltas.Length; i++)
        {
            long last = i < parts.Length ? parts[i] : 0;
            if (deltas[i] < 0 || deltas[i] > long.MaxValue - last) return StoreStatus.SequenceMalformed;
            next[i] = last + deltas[i];
        }

        parts = next;
        return StoreStatus.Ok;
    }

    /// <summary>The prefix, then for each part a '-' and its number in 20 digits.</summary>
    internal static byte[] ToKey(ReadOnlySpan<byte> prefix, long[] parts)
    {
        byte[] key = new byte[prefix.Length + (parts.Length * (1 + Digits))];
        prefix.CopyTo(key);
        Span<byte> rest = key.AsSpan(prefix.Length);
        foreach (long part in parts)
        {
            rest[0] = (byte)'-';
            Utf8Formatter.TryFormat(part, rest[1..], out _, new StandardFormat('D', Digits));
            rest = rest[(1 + Digits)..];
        }

        return key;
    }

    internal static byte[] Write(long[] parts)
    {
        var output = new ArrayBufferWriter<byte>(1 + (parts.Length * 9));
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(parts.Length);
        foreach (long part in parts) writer.Write(part);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    internal static long[] Read(ReadOnlySpan<byte> row)
    {
        var reader = new MessagePackReader(row);
        var parts = new long[reader.ReadArrayHeader()];
        foreach (ref long part in parts.AsSpan()) part = reader.ReadInt64();
        return parts;
    }
}
