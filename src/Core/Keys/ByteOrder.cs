namespace Tidemark;

/// <summary>Compares keys as unsigned bytes, a prefix before what extends it.</summary>
internal sealed class ByteOrder : IComparer<byte[]>
{
    internal static ByteOrder Instance { get; } = new();

    public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
}
