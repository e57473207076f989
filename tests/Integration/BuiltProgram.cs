namespace Tidemark.Integration;

/// <summary>Programs of this repository, as they were built: each in its own directory, with what it needs beside it.</summary>
internal static class BuiltProgram
{
    internal static string CrashLab { get; } = PathOf("CrashLab");

    internal static string Maelstrom { get; } = PathOf("Maelstrom");

    internal static string Service { get; } = PathOf("Service");

    internal static string Simulator { get; } = PathOf("Simulator");

    internal static string Tool { get; } = PathOf("Tidemark.Tool", "tidemark-tool");

    /// <summary>Beside the directory of these tests, under the project's name, for the same configuration.</summary>
    private static string PathOf(string project, string? assembly = null)
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        return Path.Combine(here.Parent!.Parent!.FullName, project, here.Name, $"{assembly ?? project}.dll");
    }
}
