using Tidemark.Storage.Catalog;

namespace Tidemark.Replication.KeyValue;

/// <summary>The catalog of a store that is open. Others see a change once it is on the disk.</summary>
internal sealed class OpenCatalog(IFileSystem files, string directory, StoreCatalog catalog) : IAsyncDisposable
{
    private readonly SemaphoreSlim _changing = new(1);
    private StoreCatalog _current = catalog;
    private bool _isClosed;

    internal StoreCatalog Current => Volatile.Read(ref _current);

    /// <summary>Does what changes the catalog, one after another.</summary>
    /// <exception cref="ObjectDisposedException">The store was closed.</exception>
    internal async ValueTask<TResult> ChangeAsync<TResult>(Func<ValueTask<TResult>> change, CancellationToken cancellationToken = default)
    {
        await _changing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(TidemarkStore));
            return await change().ConfigureAwait(false);
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Gives out ids for new shards, within a change. They are used up even where nothing comes of it: of a catalog that could not be written nobody knows whether it is on the disk.</summary>
    /// <returns>The first of them.</returns>
    internal long TakeShardIds(int count)
    {
        StoreCatalog current = Current;
        Volatile.Write(ref _current, current with { NextShardId = current.NextShardId + count });
        return current.NextShardId;
    }

    /// <summary>Replaces the catalog, within a change. Errors: those of <see cref="CatalogFile.Write"/>.</summary>
    internal void Replace(StoreCatalog catalog)
    {
        CatalogFile.Write(files, directory, catalog);
        Assume(catalog);
    }

    /// <summary>Goes by another catalog, though nobody knows whether it is the one on the disk.</summary>
    internal void Assume(StoreCatalog catalog) => Volatile.Write(ref _current, catalog);

    /// <summary>Waits for the change under way. There is none after it.</summary>
    public async ValueTask DisposeAsync()
    {
        await _changing.WaitAsync().ConfigureAwait(false);
        _isClosed = true;
        _changing.Release();
    }
}
