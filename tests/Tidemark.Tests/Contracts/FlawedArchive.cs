namespace Tidemark.Tests.Contracts;

public enum ArchiveFlaw
{
    OpensWhatIsMissing,
    CutsLongContent,
    Replaces,
    ListsWithoutOrder,
    KeepsWhatIsDeleted,
    TellsLosersThatTheyWon,
    KeepsHalf,
    TakesAnyName,
}

/// <summary>An archive in a dictionary, with one flaw.</summary>
internal sealed class FlawedArchive(ArchiveFlaw flaw) : IArchive
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, byte[]> _objects = [];

    public ValueTask<IReadOnlyList<ArchiveObject>> ListAsync(string folder, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            IEnumerable<ArchiveObject> found = _objects.Where(item => item.Key[..item.Key.LastIndexOf('/')] == folder).Select(item => new ArchiveObject(item.Key, item.Value.Length));
            return new([.. flaw == ArchiveFlaw.ListsWithoutOrder ? found.Reverse() : found.OrderBy(item => item.Name, StringComparer.Ordinal)]);
        }
    }

    public ValueTask<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken = default)
    {
        Require(name);
        lock (_gate)
        {
            if (_objects.TryGetValue(name, out byte[]? bytes)) return new(new MemoryStream(bytes));
            return new(flaw == ArchiveFlaw.OpensWhatIsMissing ? new MemoryStream() : null);
        }
    }

    public async ValueTask<bool> TryCreateAsync(string name, Stream content, CancellationToken cancellationToken = default)
    {
        Require(name);
        using var copy = new MemoryStream();
        try
        {
            await content.CopyToAsync(copy, cancellationToken);
        }
        catch (IOException) when (flaw == ArchiveFlaw.KeepsHalf)
        {
            lock (_gate) _objects[name] = copy.ToArray();
            throw;
        }

        byte[] bytes = copy.ToArray();
        if (flaw == ArchiveFlaw.CutsLongContent && bytes.Length > 1024 * 1024) bytes = bytes[..(1024 * 1024)];
        lock (_gate)
        {
            bool isNew = _objects.TryAdd(name, bytes);
            if (!isNew && flaw == ArchiveFlaw.Replaces) _objects[name] = bytes;
            return isNew || flaw == ArchiveFlaw.TellsLosersThatTheyWon;
        }
    }

    public ValueTask DeleteAsync(string name, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            if (flaw != ArchiveFlaw.KeepsWhatIsDeleted) _objects.Remove(name);
        }

        return default;
    }

    private void Require(string name)
    {
        if (flaw != ArchiveFlaw.TakesAnyName) Storage.Archive.ArchiveNames.Require(name);
    }
}
