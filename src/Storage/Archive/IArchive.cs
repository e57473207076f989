namespace Tidemark;

/// <summary>Where a store keeps copies of its history, outside its own disk: objects that are created once, read, and deleted when nothing needs them.</summary>
/// <remarks>
/// <see cref="FolderArchive"/> is one in a folder. An object store with conditional puts fits as well. Safe for concurrent calls, also of several processes. Names are
/// one to four segments of a to z, 0 to 9, '-' and '.', with '/' between them; what stands before the last '/' is the object's folder. Errors: <see cref="StoreFullException"/> where there is no room, else <see cref="IOException"/>;
/// after either it is not known whether the object is there. Rules as tests: <c>ArchiveContract</c> in Tidemark.Testing. docs/archive.md.
/// </remarks>
public interface IArchive
{
    /// <summary>The objects of a folder, not of folders in it, in the ordinal order of their names; none where there is no such folder.</summary>
    ValueTask<IReadOnlyList<ArchiveObject>> ListAsync(string folder, CancellationToken cancellationToken = default);

    /// <summary>Opens an object to read it from its beginning.</summary>
    /// <returns>Null where there is none.</returns>
    ValueTask<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken = default);

    /// <summary>Creates an object, durably and as a whole: others see all of it or nothing.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="content">Read to its end. It stays the caller's.</param>
    /// <param name="cancellationToken">Ends it. Whether the object is there is not known then.</param>
    /// <returns>False where there is an object of that name, which stays as it is.</returns>
    ValueTask<bool> TryCreateAsync(string name, Stream content, CancellationToken cancellationToken = default);

    /// <summary>Deletes an object. No error where it is missing.</summary>
    ValueTask DeleteAsync(string name, CancellationToken cancellationToken = default);
}

/// <summary>An object of an archive.</summary>
/// <param name="Name">Its whole name.</param>
/// <param name="Bytes">Its length.</param>
public readonly record struct ArchiveObject(string Name, long Bytes);
