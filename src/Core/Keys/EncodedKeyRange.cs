namespace Tidemark;

/// <summary>A half-open range of encoded keys. An empty bound is none; a bound need not be the encoding of a key.</summary>
/// <remarks>Ends may cross: then the range holds nothing.</remarks>
internal readonly struct EncodedKeyRange(ReadOnlyMemory<byte> start, ReadOnlyMemory<byte> end)
{
    /// <summary>The first encoded key, or empty.</summary>
    public ReadOnlyMemory<byte> Start { get; } = start;

    /// <summary>What lies right after the last encoded key, or empty for no bound.</summary>
    public ReadOnlyMemory<byte> End { get; } = end;

    /// <summary>Whether the range holds the encoded key.</summary>
    public bool Contains(ReadOnlySpan<byte> encodedKey)
        => encodedKey.SequenceCompareTo(Start.Span) >= 0 && (End.IsEmpty || encodedKey.SequenceCompareTo(End.Span) < 0);

    /// <summary>The least bytes above all that begin with the prefix; empty, for no bound, where there are none.</summary>
    public static ReadOnlyMemory<byte> After(ReadOnlySpan<byte> prefix)
    {
        int last = prefix.LastIndexOfAnyExcept((byte)0xFF);
        if (last < 0) return default;
        byte[] after = prefix[..(last + 1)].ToArray();
        after[last]++;
        return after;
    }
}
