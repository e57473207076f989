namespace Tidemark.Storage.Files;

/// <summary>The files of a directory that may not be there.</summary>
internal static class DirectoryFiles
{
    /// <summary>Their names; none where there is no such directory.</summary>
    internal static IReadOnlyList<string> Names(IFileSystem files, string directory)
    {
        try
        {
            return files.ListFiles(directory);
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    /// <param name="files">The disk.</param>
    /// <param name="directory">Where all files go.</param>
    /// <param name="isForGood">Whether none of them may be there again after a crash.</param>
    internal static void Remove(IFileSystem files, string directory, bool isForGood = false)
    {
        try
        {
            foreach (string name in files.ListFiles(directory)) files.Delete(Path.Combine(directory, name));
            if (isForGood) files.FlushDirectory(directory);
        }
        catch (DirectoryNotFoundException)
        {
            // There is nothing to remove.
        }
    }
}
