using System.Buffers;
using System.Text;

namespace Tidemark.Storage.Catalog;

/// <summary>The names that a catalog may hold: 1 to 128 bytes of UTF-8 without control characters.</summary>
internal static class CatalogName
{
    /// <summary>The longest name, in bytes of UTF-8.</summary>
    internal const int MaxBytes = 128;

    internal static bool IsValid(string name)
    {
        if (name.Length is 0 or > MaxBytes) return false;
        int bytes = 0;
        for (ReadOnlySpan<char> left = name; !left.IsEmpty;)
        {
            // Half a surrogate pair is no character, and has no UTF-8.
            if (Rune.DecodeFromUtf16(left, out Rune rune, out int length) != OperationStatus.Done || Rune.IsControl(rune)) return false;
            bytes += rune.Utf8SequenceLength;
            left = left[length..];
        }

        return bytes <= MaxBytes;
    }

    /// <exception cref="ArgumentException">It is no name.</exception>
    internal static void Require(string name, string what)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!IsValid(name)) throw new ArgumentException($"The name of a {what} has 1 to {MaxBytes} bytes of UTF-8 and no control characters.", nameof(name));
    }
}
