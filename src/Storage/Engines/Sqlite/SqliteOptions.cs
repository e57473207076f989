using System.Data.Common;

namespace Tidemark;

/// <summary>How a <see cref="SqliteEngine"/> is opened.</summary>
public sealed record SqliteOptions
{
    /// <summary>How much of the file each connection may keep in memory, in KiB. Default 16 MiB.</summary>
    public int CacheKibibytes { get; init; } = 16 * 1024;

    /// <summary>Tells SQLite's own result code of a provider's error, by which a full disk is told from a broken one. Null: none is known, and every error counts as broken.</summary>
    public Func<DbException, int?>? GetResultCode { get; init; }

    internal void Validate() => ArgumentOutOfRangeException.ThrowIfLessThan(CacheKibibytes, 64);
}
