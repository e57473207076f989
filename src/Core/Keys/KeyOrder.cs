namespace Tidemark;

/// <summary>How the keys of a namespace sort: as the bytes of their encodings, and in no other way.</summary>
/// <remarks>
/// Two orders exist; both are stateless and safe for concurrent calls. Encoding is injective and costs one pass over the key.
/// Bytes and the reasons: docs/format/key-order.md.
/// </remarks>
public abstract class KeyOrder
{
    private const int MaxStackBytes = 512;

    private protected KeyOrder(byte number, string name)
    {
        Number = number;
        Name = name;
    }

    /// <summary>By depth (the count of '/') first, then by bytes with '/' above everything, so that the children of one parent lie together. The default.</summary>
    public static KeyOrder Hierarchical { get; } = new HierarchicalKeyOrder();

    /// <summary>By the key's bytes as they are.</summary>
    public static KeyOrder Natural { get; } = new NaturalKeyOrder();

    /// <summary>The number that stands for this order in files and messages.</summary>
    public byte Number { get; }

    /// <summary>The order's name, in lower case.</summary>
    public string Name { get; }

    /// <summary>The order of that number.</summary>
    /// <returns>False where there is none.</returns>
    public static bool TryGet(byte number, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out KeyOrder? order)
    {
        order = number == Hierarchical.Number ? Hierarchical : number == Natural.Number ? Natural : null;
        return order is not null;
    }

    /// <summary>The length of the encoded key, in bytes.</summary>
    /// <exception cref="OverflowException">It is above <see cref="int.MaxValue"/>.</exception>
    public abstract int GetEncodedLength(ReadOnlySpan<byte> key);

    /// <summary>Writes the encoded key. Allocates nothing.</summary>
    /// <param name="key">Any bytes, also none.</param>
    /// <param name="destination">At least <see cref="GetEncodedLength"/> bytes; must not overlap the key.</param>
    /// <returns>The bytes written.</returns>
    /// <exception cref="ArgumentException">The destination is too short. It may have been written to.</exception>
    public abstract int Encode(ReadOnlySpan<byte> key, Span<byte> destination);

    /// <summary>The encoded key in an array of its own.</summary>
    public byte[] Encode(ReadOnlySpan<byte> key)
    {
        byte[] encoded = new byte[GetEncodedLength(key)];
        Encode(key, encoded);
        return encoded;
    }

    /// <summary>Writes the key an encoded key stands for. Allocates nothing.</summary>
    /// <param name="encoded">The whole encoded key.</param>
    /// <param name="destination">As long as the encoded key at most; must not overlap it.</param>
    /// <returns>The bytes written.</returns>
    /// <exception cref="MalformedDataException">The bytes are not what <see cref="Encode(ReadOnlySpan{byte}, Span{byte})"/> writes for any key.</exception>
    /// <exception cref="ArgumentException">The destination is too short. It may have been written to.</exception>
    public abstract int Decode(ReadOnlySpan<byte> encoded, Span<byte> destination);

    /// <summary>The key an encoded key stands for, in an array of its own.</summary>
    /// <exception cref="MalformedDataException">The bytes are not what <see cref="Encode(ReadOnlySpan{byte}, Span{byte})"/> writes for any key.</exception>
    public byte[] Decode(ReadOnlySpan<byte> encoded)
    {
        Span<byte> key = encoded.Length <= MaxStackBytes ? stackalloc byte[MaxStackBytes] : new byte[encoded.Length];
        return key[..Decode(encoded, key)].ToArray();
    }

    /// <summary>Compares two keys as their encodings compare, without encoding them.</summary>
    /// <returns>Negative, 0 or positive. 0 for equal bytes only.</returns>
    public abstract int Compare(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right);

    /// <summary>The bounds a range has among encoded keys.</summary>
    /// <exception cref="ArgumentException">The range means something that is no range in this order.</exception>
    internal abstract EncodedKeyRange Encode(KeyRange range);

    /// <summary>As <see cref="Encode(KeyRange)"/>, but answers false where the range is none in this order.</summary>
    internal bool TryEncode(KeyRange range, out EncodedKeyRange encoded)
    {
        try
        {
            encoded = Encode(range);
            return true;
        }
        catch (ArgumentException)
        {
            encoded = default;
            return false;
        }
    }

    /// <summary>The name of the order.</summary>
    public override string ToString() => Name;
}
