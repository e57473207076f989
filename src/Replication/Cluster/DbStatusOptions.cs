namespace Tidemark;

/// <summary>Which database is spoken to. It decides how the table is made; everything else is plain SQL.</summary>
public enum DbStatusDialect
{
    /// <summary>PostgreSQL: the table is made where it is missing.</summary>
    PostgreSql,

    /// <summary>SQLite: the table is made where it is missing.</summary>
    Sqlite,

    /// <summary>Any other: the table is there already, with <c>name</c> (text, primary key), <c>version</c> (64 bits) and <c>content</c> (bytes), none of them null. Parameters are <c>@name</c>.</summary>
    Other,
}

/// <summary>How a <see cref="DbClusterStatusStore"/> uses its database.</summary>
public sealed record DbStatusOptions
{
    /// <summary>Which database it is. Default: PostgreSQL.</summary>
    public DbStatusDialect Dialect { get; init; } = DbStatusDialect.PostgreSql;

    /// <summary>The table: letters, digits and underscores, at most 63, with a schema and a dot before it where needed. Default "tidemark_status".</summary>
    public string Table { get; init; } = "tidemark_status";

    /// <summary>The cluster's name among those that share the table, at most 200 characters. Default "cluster".</summary>
    public string Name { get; init; } = "cluster";

    /// <summary>How long a statement, its connection included, may take. Default 5 s. A provider may need a moment more until it gives up.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a watch looks for writes of others. Default 250 ms. It sees those of its own instance at once.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The longest document that may be written, in bytes. Default 1 MiB.</summary>
    public int MaxDocumentBytes { get; init; } = 1 << 20;

    /// <summary>What waits are measured by. Default: the system's clock.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    internal void Validate()
    {
        if (!Enum.IsDefined(Dialect)) throw new ArgumentOutOfRangeException(nameof(Dialect), Dialect, "No dialect that is known.");
        ArgumentNullException.ThrowIfNull(Table);
        if (Table.Split('.') is not { Length: 1 or 2 } parts || !Array.TrueForAll(parts, IsIdentifier))
            throw new ArgumentException($"'{Table}' is not a table's name: letters, digits and underscores, not beginning with a digit, at most 63, with one schema before it at most.", nameof(Table));
        ArgumentException.ThrowIfNullOrEmpty(Name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Name.Length, 200, nameof(Name));
        ArgumentOutOfRangeException.ThrowIfLessThan(CommandTimeout, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(PollInterval, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxDocumentBytes, 1);
        ArgumentNullException.ThrowIfNull(TimeProvider);
    }

    // It becomes part of statements, so nothing else may pass.
    private static bool IsIdentifier(string text) =>
        text.Length is > 0 and <= 63 && !char.IsAsciiDigit(text[0]) && text.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');
}
