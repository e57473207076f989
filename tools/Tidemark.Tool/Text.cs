using System.Text;
using System.Text.Unicode;

namespace Tidemark.Tool;

/// <summary>Bytes and sizes as a reader wants them.</summary>
internal static class Text
{
    /// <summary>Text where the bytes are printable UTF-8, hexadecimal digits behind 0x otherwise.</summary>
    internal static string Show(ReadOnlySpan<byte> bytes, int most = int.MaxValue)
    {
        if (!Utf8.IsValid(bytes)) return "0x" + Convert.ToHexString(bytes[..Math.Min(bytes.Length, most / 2)]) + (bytes.Length > most / 2 ? "..." : "");
        var text = new StringBuilder();
        foreach (Rune rune in Encoding.UTF8.GetString(bytes).EnumerateRunes())
        {
            if (text.Length >= most) return text.Append("...").ToString();
            if (Rune.IsControl(rune) || rune.Value == '\\') text.Append($"\\u{rune.Value:x4}");   // A line stays a line, and a terminal hears no commands.
            else text.Append(rune.ToString());
        }

        return text.ToString();
    }

    internal static string Size(long bytes) => bytes switch
    {
        < 10_000 => $"{bytes} bytes",
        < 10_000_000 => $"{bytes / 1024:N0} KiB",
        _ => $"{bytes / (1024 * 1024):N0} MiB",
    };
}
