namespace Tidemark;

/// <summary>Plain byte order.</summary>
internal sealed class NaturalKeyOrder() : KeyOrder(number: 1, "natural")
{
    public override int GetEncodedLength(ReadOnlySpan<byte> key) => key.Length;

    public override int Encode(ReadOnlySpan<byte> key, Span<byte> destination)
    {
        key.CopyTo(destination);
        return key.Length;
    }

    public override int Decode(ReadOnlySpan<byte> encoded, Span<byte> destination) => Encode(encoded, destination);

    public override int Compare(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) => left.SequenceCompareTo(right);

    internal override EncodedKeyRange Encode(KeyRange range) => range.Kind switch
    {
        KeyRangeKind.Between => new EncodedKeyRange(range.Start, range.End),
        KeyRangeKind.Prefix => new EncodedKeyRange(range.Start, EncodedKeyRange.After(range.Start.Span)),
        _ => throw new ArgumentException(
            "The children of a key do not lie together in natural order. Read the prefix, or use a namespace in hierarchical order.", nameof(range)),
    };
}
