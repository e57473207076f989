namespace Tidemark.Core.Rebase;

/// <summary>The records that a mutation finds when it runs.</summary>
internal interface IMutationSource
{
    KeyOrder Order { get; }

    /// <summary>Finds the value of a record.</summary>
    bool TryGet(ReadOnlySpan<byte> encodedKey, out ReadOnlyMemory<byte> value);

    /// <summary>Walks over the records of a range, in order or from its end. Nothing is written to the source meanwhile.</summary>
    IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> Scan(EncodedKeyRange range, bool isReverse);
}
