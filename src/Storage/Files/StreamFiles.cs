namespace Tidemark.Storage.Files;

/// <summary>Files made of streams.</summary>
internal static class StreamFiles
{
    private const int BufferBytes = 256 * 1024;

    /// <summary>Writes what is left of a stream into an empty file. It is not flushed.</summary>
    internal static async Task WriteToAsync(this Stream content, IFile file, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[BufferBytes];
        long at = 0;
        while (await content.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) is var read and > 0)
        {
            file.Write(at, buffer.AsSpan(0, read));
            at += read;
        }
    }
}
