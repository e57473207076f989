namespace Tidemark.Storage.Files;

/// <summary>A small file that is replaced as a whole: after a crash the old one is there, or the new one.</summary>
internal static class WholeFile
{
    internal const string TemporaryExtension = ".tmp";

    /// <summary>Writes it beside, flushed, gives it the name, and flushes the directory.</summary>
    /// <exception cref="StoreFullException">There is no room. The file is as it was.</exception>
    /// <exception cref="IOException">The disk refused. Which of the two is there shows when it is read again after a restart.</exception>
    internal static void Replace(IFileSystem files, string path, ReadOnlySpan<byte> bytes)
    {
        WriteBeside(files, path, bytes);
        PutInPlace(files, path);
    }

    /// <summary>The first half: writes it beside and flushes it. Whatever fails, the file under its name is as it was.</summary>
    internal static void WriteBeside(IFileSystem files, string path, ReadOnlySpan<byte> bytes)
    {
        string temporary = path + TemporaryExtension;
        files.Delete(temporary);
        using IFile file = files.Open(temporary, FileOpenMode.New);
        file.Write(0, bytes);
        file.Flush();
    }

    /// <summary>The second half: gives it the name, and flushes the directory.</summary>
    internal static void PutInPlace(IFileSystem files, string path)
    {
        files.Move(path + TemporaryExtension, path);
        files.FlushDirectory(Path.GetDirectoryName(path)!);
    }

    /// <summary>Its bytes, up to a number; null where it is not there.</summary>
    internal static byte[]? TryRead(IFileSystem files, string path, int most)
    {
        if (!files.FileExists(path)) return null;
        using IFile file = files.Open(path, FileOpenMode.Existing);
        byte[] bytes = new byte[(int)Math.Min(file.Length, most)];
        return bytes[..file.Read(0, bytes)];
    }
}
