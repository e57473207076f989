using System.Buffers.Text;

namespace Tidemark.Replication.KeyValue;

/// <summary>Says where a page of a scan ended: the direction, and the encoded key of its last record.</summary>
internal static class ContinuationToken
{
    internal const int DefaultPage = 1_000;

    private const byte Forward = 1, Reverse = 2;

    internal static string Write(ReadOnlySpan<byte> lastEncodedKey, bool isReverse) =>
        Base64Url.EncodeToString([isReverse ? Reverse : Forward, .. lastEncodedKey]);

    /// <summary>The part of a range that is left behind the token of the options, or all of it without one.</summary>
    /// <exception cref="ArgumentException">The token is none, or of the other direction.</exception>
    internal static EncodedKeyRange Apply(EncodedKeyRange range, ScanOptions options)
    {
        if (options.ContinuationToken is not { } token) return range;
        byte[] last = Read(token, options.Reverse);
        if (!range.Contains(last)) throw new ArgumentException("The continuation token is of a scan of another range.", nameof(options));
        return options.Reverse ? new EncodedKeyRange(range.Start, last) : new EncodedKeyRange((byte[])[.. last, 0], range.End);
    }

    /// <summary>What was last on the page before.</summary>
    /// <exception cref="ArgumentException">The token is none, or of the other direction.</exception>
    internal static byte[] Read(string token, bool isReverse)
    {
        byte[] bytes = Base64Url.IsValid(token) ? Base64Url.DecodeFromChars(token) : [];
        return bytes.Length >= 1 && bytes[0] == (isReverse ? Reverse : Forward)
            ? bytes[1..]
            : throw new ArgumentException("The continuation token is not one of a scan in this direction.", nameof(token));
    }
}
