using System.Text;

using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Storage.Replica;

/// <summary>The file that says which engine keeps the rows of a node's replicas, so that another does not take what is there for nothing. Bytes: docs/format/replica.md.</summary>
internal static class EngineFile
{
    internal const string Name = "engine";
    internal const int Size = 160;

    private const int NameAt = 17;

    private static ReadOnlySpan<byte> Magic => "TIDEENG\n"u8;

    /// <summary>Claims a node's directory for an engine. A file that is damaged is written again: rows that another engine kept are not found then, and the replicas get theirs from the others.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="directory">The node's directory.</param>
    /// <param name="engine">The engine's name, up to 128 bytes of UTF-8.</param>
    /// <exception cref="FormatMismatchException">The rows there are another engine's.</exception>
    internal static void Claim(IFileSystem files, string directory, string engine)
    {
        string path = Path.Combine(directory, Name);
        string? kept = null;
        try
        {
            if (WholeFile.TryRead(files, path, Size + 1) is { } found)
            {
                FileStamp.CheckWhole(path, found, Size, Magic, "an engine file");
                kept = Encoding.UTF8.GetString(found, NameAt, found[NameAt - 1]);
            }
        }
        catch (CorruptDataException)
        {
            // Written again below.
        }

        if (kept == engine) return;
        if (kept is not null) throw new FormatMismatchException(directory, $"rows in the engine '{engine}'", $"rows in '{kept}'. Give the node an empty directory: it gets everything from the others");
        Span<byte> bytes = stackalloc byte[Size];
        Encode(bytes, engine);
        WholeFile.Replace(files, path, bytes);
    }

    internal static void Encode(Span<byte> target, string engine)
    {
        target = target[..Size];
        target.Clear();
        FileStamp.Write(target, Magic);
        target[NameAt - 1] = (byte)Encoding.UTF8.GetBytes(engine, target[NameAt..]);
        FileStamp.Seal(target);
    }
}
