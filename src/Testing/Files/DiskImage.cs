using Tidemark.Storage.Files;

namespace Tidemark.Testing.Files;

/// <summary>A change to the names on a disk that no directory flush has saved yet.</summary>
/// <param name="from">The name that goes, if one does.</param>
/// <param name="to">The name that comes, if one does. Without a file it is a directory that was created.</param>
/// <param name="file">The file it is about.</param>
internal sealed class NameChange(FilePlace? from, FilePlace? to, FileImage? file)
{
    public FilePlace? From => from;

    public FilePlace? To => to;

    public FileImage? File => file;

    public bool IsIn(string directory) => from?.Directory == directory || to?.Directory == directory;

    /// <summary>Acts on the file wherever the changes kept so far have left it, so any subset of them gives names that a disk could hold.</summary>
    public void ApplyTo(FileTree<FileImage> names)
    {
        if (file is null)
        {
            names.AddDirectory(to!.Value.ToString());
            return;
        }
        FilePlace[] old = [.. names.All().Where(item => item.File == file).Select(item => item.Place)];
        foreach (FilePlace place in old) names.Remove(place);
        if (to is { } target) names.Put(target, file);
    }
}

/// <summary>What a disk holds, twice: as programs see it and as stable storage has it, with the changes between the two in order.</summary>
/// <remarks>Not thread-safe. It decides nothing: <see cref="FaultPlan"/> says what goes wrong, <see cref="PowerCut"/> what is left.</remarks>
internal sealed class DiskImage
{
    private readonly List<NameChange> _unsyncedNames = [];
    private long _sequence;

    /// <summary>The names as programs see them.</summary>
    public FileTree<FileImage> Names { get; } = new();

    /// <summary>The names on stable storage.</summary>
    public FileTree<FileImage> DurableNames { get; } = new();

    /// <summary>In the order they were made.</summary>
    public IReadOnlyList<NameChange> UnsyncedNames => _unsyncedNames;

    public long UsedBytes => Names.All().Sum(item => item.File.Length);

    public void Write(FileImage file, long position, ReadOnlySpan<byte> bytes)
    {
        if (!bytes.IsEmpty) file.Change(new UnsyncedChange(++_sequence, position, bytes.ToArray()));
    }

    public void SetLength(FileImage file, long length) => file.Change(new UnsyncedChange(++_sequence, length, null));

    public FileImage Create(FilePlace place)
    {
        var file = new FileImage();
        Names.Put(place, file);
        _unsyncedNames.Add(new NameChange(null, place, file));
        return file;
    }

    public void Move(FilePlace from, FilePlace to, FileImage file)
    {
        Names.Remove(from);
        Names.Put(to, file);
        _unsyncedNames.Add(new NameChange(from, to, file));
    }

    public void Delete(FilePlace place, FileImage file)
    {
        Names.Remove(place);
        _unsyncedNames.Add(new NameChange(place, null, file));
    }

    public void CreateDirectory(string directory, bool flushed)
    {
        Names.AddDirectory(directory);
        if (flushed) DurableNames.AddDirectory(directory);
        else _unsyncedNames.Add(new NameChange(null, FilePlace.Of(directory), null));
    }

    /// <summary>The changes a flush of a directory saves, oldest first.</summary>
    /// <remarks>
    /// A rename across directories is one step, saved by a flush of either. What happened before to either of its names is saved
    /// with it, as a journal would.
    /// </remarks>
    public IReadOnlyList<NameChange> UnsyncedNamesIn(string directory)
    {
        var found = new List<NameChange>();
        var names = new HashSet<FilePlace>();
        foreach (NameChange change in _unsyncedNames.AsEnumerable().Reverse())
        {
            bool earlierOfOneFound = (change.From is { } from && names.Contains(from)) || (change.To is { } to && names.Contains(to));
            if (!earlierOfOneFound && !change.IsIn(directory)) continue;
            found.Add(change);
            if (change.From is { } old) names.Add(old);
            if (change.To is { } fresh) names.Add(fresh);
        }
        found.Reverse();
        return found;
    }

    public void FlushNames(IEnumerable<NameChange> changes)
    {
        foreach (NameChange change in changes)
        {
            change.ApplyTo(DurableNames);
            _unsyncedNames.Remove(change);
        }
    }

    /// <summary>Takes the changes for saved though they are not.</summary>
    public int LoseNames(IReadOnlyList<NameChange> changes)
    {
        foreach (NameChange change in changes) _unsyncedNames.Remove(change);
        return changes.Count;
    }

    /// <summary>The same disk, unsynced changes included: what the death of a process leaves, since the page cache lives on.</summary>
    public DiskImage Copy()
    {
        var copies = new Dictionary<FileImage, FileImage>();
        FileImage CopyOf(FileImage file) => copies.TryGetValue(file, out FileImage? copy) ? copy : copies[file] = file.Copy();

        var disk = new DiskImage { _sequence = _sequence };
        CopyNames(Names, disk.Names, CopyOf);
        CopyNames(DurableNames, disk.DurableNames, CopyOf);
        disk._unsyncedNames.AddRange(_unsyncedNames.Select(change => new NameChange(change.From, change.To, change.File is null ? null : CopyOf(change.File))));
        return disk;
    }

    public static void CopyNames(FileTree<FileImage> source, FileTree<FileImage> target, Func<FileImage, FileImage> copyOf)
    {
        foreach (string directory in source.Directories) target.AddDirectory(directory);
        foreach ((FilePlace place, FileImage file) in source.All()) target.Put(place, copyOf(file));
    }
}
