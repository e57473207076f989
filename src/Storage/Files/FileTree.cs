namespace Tidemark.Storage.Files;

/// <summary>A file's place: the full path of its directory, and its name there.</summary>
internal readonly record struct FilePlace(string Directory, string Name)
{
    public static FilePlace Of(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string full = FileTree.Normalize(path);
        return new FilePlace(Path.GetDirectoryName(full) ?? full, Path.GetFileName(full));
    }

    public override string ToString() => Path.Join(Directory, Name);
}

/// <summary>What all trees of names share.</summary>
internal static class FileTree
{
    public static string Normalize(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
}

/// <summary>The names of a file system in memory: directories, the files in them, and the errors a disk gives.</summary>
/// <remarks>Not thread-safe. The root directory always exists.</remarks>
internal sealed class FileTree<TFile>
    where TFile : class
{
    private readonly Dictionary<string, SortedDictionary<string, TFile>> _directories = new(StringComparer.Ordinal);

    public IEnumerable<string> Directories => _directories.Keys;

    /// <summary>The directories to create for a path to exist, the topmost first.</summary>
    public IReadOnlyList<string> MissingDirectories(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var missing = new List<string>();
        for (string? place = FileTree.Normalize(path); place is not null && !HasDirectory(place); place = Path.GetDirectoryName(place))
        {
            if (Find(FilePlace.Of(place)) is not null) throw new IOException($"'{place}' is a file, so no directory can be created there.");
            missing.Insert(0, place);
        }
        return missing;
    }

    public void AddDirectory(string directory) => _directories.TryAdd(directory, new SortedDictionary<string, TFile>(StringComparer.Ordinal));

    public bool HasDirectory(string directory) => _directories.ContainsKey(directory) || Path.GetDirectoryName(directory) is null;

    public string RequireDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string directory = FileTree.Normalize(path);
        return HasDirectory(directory) ? directory : throw new DirectoryNotFoundException($"There is no directory '{directory}'.");
    }

    public IReadOnlyList<string> List(string path) =>
        _directories.TryGetValue(RequireDirectory(path), out SortedDictionary<string, TFile>? files) ? [.. files.Keys] : [];

    public TFile? Find(FilePlace place) => _directories.GetValueOrDefault(place.Directory)?.GetValueOrDefault(place.Name);

    /// <summary>Finds what opening meets: a file, or null where one is to be created.</summary>
    public TFile? FindToOpen(FilePlace place, FileOpenMode mode)
    {
        RequireDirectory(place.Directory);
        RequireNoDirectory(place);
        TFile? file = Find(place);
        return mode switch
        {
            FileOpenMode.Existing => file ?? throw Missing(place),
            FileOpenMode.New => file is null ? null : throw new IOException($"The file '{place}' exists already."),
            FileOpenMode.ExistingOrNew => file,
            _ => throw new ArgumentOutOfRangeException(nameof(mode), mode, "Not a way to open a file."),
        };
    }

    /// <summary>Finds the file a rename is about, with everything checked that could stand in its way.</summary>
    public TFile FindToMove(FilePlace source, FilePlace destination)
    {
        RequireDirectory(source.Directory);
        RequireDirectory(destination.Directory);
        RequireNoDirectory(destination);
        return Find(source) ?? throw Missing(source);
    }

    /// <summary>Finds the file a removal is about, or null where there is none.</summary>
    public TFile? FindToDelete(FilePlace place)
    {
        RequireNoDirectory(place);
        return Find(place);
    }

    public void Put(FilePlace place, TFile file)
    {
        AddDirectory(place.Directory);
        _directories[place.Directory][place.Name] = file;
    }

    public void Remove(FilePlace place) => _directories.GetValueOrDefault(place.Directory)?.Remove(place.Name);

    /// <summary>All files with their places, in ordinal order within each directory.</summary>
    public IEnumerable<(FilePlace Place, TFile File)> All() =>
        from directory in _directories
        from file in directory.Value
        select (new FilePlace(directory.Key, file.Key), file.Value);

    private void RequireNoDirectory(FilePlace place)
    {
        if (HasDirectory(place.ToString())) throw new IOException($"'{place}' is a directory, not a file.");
    }

    private static FileNotFoundException Missing(FilePlace place) => new($"There is no file '{place}'.", place.ToString());
}
