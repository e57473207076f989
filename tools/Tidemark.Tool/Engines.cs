namespace Tidemark.Tool;

/// <summary>The engines the tool can open, by the names they have in catalogs.</summary>
internal static class Engines
{
    private static readonly StorageEngine[] _all =
    [
        StorageEngine.Memory,
        StorageEngine.Lmdb(),
        SystemSqlite.Engine,
    ];

    internal static string Names => string.Join(", ", _all.Select(engine => engine.Name));

    /// <exception cref="UsageException">The tool has no engine of that name.</exception>
    internal static StorageEngine Find(string name) =>
        Array.Find(_all, engine => engine.Name == name) ?? throw new UsageException($"There is no engine '{name}' in this tool. It has: {Names}.");
}
