using System.Buffers;
using System.Buffers.Binary;

namespace Tidemark;

/// <summary>Depth first, then bytes with '/' above everything.</summary>
internal sealed class HierarchicalKeyOrder() : KeyOrder(number: 0, "hierarchical")
{
    internal const int DepthBytes = sizeof(ushort);
    internal const int MaxDepth = short.MaxValue;   // Leaves the top bit free.

    private const byte Separator = (byte)'/';
    private const byte EncodedSeparator = 0xFF;
    private const byte Escape = 0xFE;
    private const byte EscapedFE = 0x01, EscapedFF = 0x02;   // In the order of what they stand for.

    private static readonly SearchValues<byte> _translated = SearchValues.Create([Separator, 0xFE, 0xFF]);
    private static readonly SearchValues<byte> _translatedBack = SearchValues.Create([Separator, Escape, EncodedSeparator]);

    public override int GetEncodedLength(ReadOnlySpan<byte> key)
        => checked(DepthBytes + key.Length + key.Count((byte)0xFE) + key.Count((byte)0xFF));

    public override int Encode(ReadOnlySpan<byte> key, Span<byte> destination)
    {
        if (destination.Length < DepthBytes) throw TooShort(nameof(destination));
        BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)Depth(key));
        return DepthBytes + EncodeBody(key, destination[DepthBytes..]);
    }

    public override int Decode(ReadOnlySpan<byte> encoded, Span<byte> destination)
    {
        if (encoded.Length < DepthBytes) throw new MalformedDataException(encoded.Length, "an encoded key begins with its depth in 2 bytes");
        int written = DecodeBody(encoded, destination);
        int depth = Depth(destination[..written]), found = BinaryPrimitives.ReadUInt16BigEndian(encoded);
        if (found != depth) throw new MalformedDataException(0, $"the key has depth {depth}, its encoding says {found}");
        return written;
    }

    public override int Compare(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        int order = Depth(left).CompareTo(Depth(right));
        if (order != 0) return order;
        int same = left.CommonPrefixLength(right);
        return same == left.Length || same == right.Length ? left.Length.CompareTo(right.Length) : Rank(left[same]).CompareTo(Rank(right[same]));

        static int Rank(byte value) => value == Separator ? byte.MaxValue + 1 : value;
    }

    internal override EncodedKeyRange Encode(KeyRange range) => range.Kind switch
    {
        KeyRangeKind.Between => new EncodedKeyRange(Bound(range.Start.Span), Bound(range.End.Span)),
        KeyRangeKind.Prefix => Level(range.Start.Span),
        _ => Level([.. range.Start.Span, Separator]),
    };

    /// <summary>The count of separators, one less where the key ends with two: so "P//" stands on the level of P's children, after them.</summary>
    private static int Depth(ReadOnlySpan<byte> key)
    {
        int separators = key.Count(Separator);
        return Math.Min(key.EndsWith("//"u8) ? separators - 1 : separators, MaxDepth);
    }

    private ReadOnlyMemory<byte> Bound(ReadOnlySpan<byte> key) => key.IsEmpty ? default : Encode(key);

    /// <summary>The keys that begin with the prefix and have no further separator, without those that end with two.</summary>
    private EncodedKeyRange Level(ReadOnlySpan<byte> prefix)
    {
        int depth = prefix.Count(Separator);
        if (depth >= MaxDepth)
            throw new ArgumentException($"Keys with {MaxDepth} or more '/' share one level, where neither children nor prefixes lie together.", nameof(prefix));
        byte[] start = new byte[GetEncodedLength(prefix)];
        BinaryPrimitives.WriteUInt16BigEndian(start, (ushort)depth);   // Not Depth(prefix): the keys below have the prefix's separators and end otherwise.
        EncodeBody(prefix, start.AsSpan(DepthBytes));
        bool endsInSeparator = prefix.EndsWith("/"u8);
        byte[] end = [.. start, EncodedSeparator];   // The prefix and one more separator: the end mark of this level.
        return new EncodedKeyRange(start, endsInSeparator ? end : EncodedKeyRange.After(start));
    }

    private static int EncodeBody(ReadOnlySpan<byte> key, Span<byte> destination)
    {
        int written = 0;
        while (true)
        {
            int plain = key.IndexOfAny(_translated);
            if (plain < 0) plain = key.Length;
            if (plain > destination.Length - written) throw TooShort(nameof(destination));
            key[..plain].CopyTo(destination[written..]);
            written += plain;
            if (plain == key.Length) return written;

            byte special = key[plain];
            int needed = special == Separator ? 1 : 2;
            if (needed > destination.Length - written) throw TooShort(nameof(destination));
            destination[written] = special == Separator ? EncodedSeparator : Escape;
            if (needed == 2) destination[written + 1] = special == 0xFE ? EscapedFE : EscapedFF;
            written += needed;
            key = key[(plain + 1)..];
        }
    }

    private static int DecodeBody(ReadOnlySpan<byte> encoded, Span<byte> destination)
    {
        int at = DepthBytes, written = 0;
        while (true)
        {
            ReadOnlySpan<byte> rest = encoded[at..];
            int plain = rest.IndexOfAny(_translatedBack);
            if (plain < 0) plain = rest.Length;
            if (plain > destination.Length - written) throw TooShort(nameof(destination));
            rest[..plain].CopyTo(destination[written..]);
            (at, written) = (at + plain, written + plain);
            if (at == encoded.Length) return written;

            if (written == destination.Length) throw TooShort(nameof(destination));
            (destination[written++], int read) = encoded[at] switch
            {
                EncodedSeparator => (Separator, 1),
                Escape when at + 1 < encoded.Length && encoded[at + 1] == EscapedFE => ((byte)0xFE, 2),
                Escape when at + 1 < encoded.Length && encoded[at + 1] == EscapedFF => ((byte)0xFF, 2),
                Escape => throw new MalformedDataException(at, "an escape stands for nothing"),
                _ => throw new MalformedDataException(at, "a plain '/' stands in an encoded key"),
            };
            at += read;
        }
    }

    private static ArgumentException TooShort(string parameter) => new("The destination is too short for the key.", parameter);
}
