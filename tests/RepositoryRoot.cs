namespace Tidemark.Tests;

/// <summary>Where the repository lies on this machine: golden files are read from there, and rewritten there when asked.</summary>
internal static class RepositoryRoot
{
    public static string Path { get; } = Find();

    public static string At(params string[] names) => System.IO.Path.Join([Path, .. names]);

    private static string Find()
    {
        for (string? place = AppContext.BaseDirectory; place is not null; place = System.IO.Path.GetDirectoryName(place))
        {
            if (File.Exists(System.IO.Path.Join(place, "Tidemark.slnx"))) return place;
        }
        throw new DirectoryNotFoundException($"No directory above '{AppContext.BaseDirectory}' holds Tidemark.slnx: the tests run from within the repository.");
    }
}
