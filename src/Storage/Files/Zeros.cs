namespace Tidemark.Storage.Files;

/// <summary>Zeros as they are written to files.</summary>
internal static class Zeros
{
    private static readonly byte[] _piece = new byte[256 * 1024];

    /// <summary>Fills a part of a file. Not flushed.</summary>
    internal static void Write(IFile file, long from, long to)
    {
        while (from < to)
        {
            int length = (int)Math.Min(to - from, _piece.Length);
            file.Write(from, _piece.AsSpan(0, length));
            from += length;
        }
    }
}
