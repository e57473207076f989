using System.Diagnostics;

namespace Tidemark.Integration;

/// <summary>A test that needs a program from outside. It is skipped, naming the program, where that is missing.</summary>
/// <remarks>With TIDEMARK_REQUIRE_ALL=1 nothing is skipped: the test runs and fails at <see cref="ExternalProgram.Path"/>.</remarks>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ExternalFactAttribute : FactAttribute
{
    /// <summary>Marks a test.</summary>
    /// <param name="program">A name <see cref="ExternalProgram.Path"/> knows: "python3-msgpack", or any program on the path.</param>
    public ExternalFactAttribute(string program)
    {
        Program = program;
        bool required = Environment.GetEnvironmentVariable("TIDEMARK_REQUIRE_ALL") == "1";
        if (!required && !ExternalProgram.Exists(program)) Skip = ExternalProgram.Missing(program);
    }

    /// <summary>What the test needs.</summary>
    public string Program { get; }
}

/// <summary>Programs from outside that tests are checked against.</summary>
internal static class ExternalProgram
{
    /// <summary>Programs whose presence is more than a file on the path: what to run, and arguments with which it succeeds where all is there.</summary>
    private static readonly Dictionary<string, (string File, string[] Probe)> _probes = new()
    {
        ["python3-msgpack"] = ("/usr/bin/python3", ["-c", "import msgpack"]),
        ["libsqlite3-0"] = ("/usr/bin/python3", ["-c", "import ctypes; ctypes.CDLL('libsqlite3.so.0')"]),
        ["liblmdb0"] = ("/usr/bin/python3", ["-c", "import ctypes; ctypes.CDLL('liblmdb.so.0')"]),
        ["etcd-server"] = ("/usr/bin/etcd", ["--version"]),
        ["postgresql"] = (NewestPostgres(), ["--version"]),
    };

    /// <summary>Whether the program is there.</summary>
    public static bool Exists(string program) => Find(program) is not null;

    /// <summary>The file to run.</summary>
    /// <exception cref="InvalidOperationException">It is missing; the message says how to get it.</exception>
    public static string Path(string program) => Find(program) ?? throw new InvalidOperationException(Missing(program));

    /// <summary>What is missing and how to get it.</summary>
    public static string Missing(string program) => $"needs '{program}', which is missing here: apt-get install {program}";

    private static string? Find(string program)
    {
        if (_probes.TryGetValue(program, out (string File, string[] Probe) known))
            return File.Exists(known.File) && Succeeds(known.File, known.Probe) ? known.File : null;
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return folders.Select(folder => System.IO.Path.Combine(folder, program)).FirstOrDefault(File.Exists);
    }

    private static string NewestPostgres() => !Directory.Exists("/usr/lib/postgresql") ? ""
        : Directory.EnumerateDirectories("/usr/lib/postgresql").Select(version => System.IO.Path.Join(version, "bin", "postgres")).Where(File.Exists).Order().LastOrDefault("");

    private static bool Succeeds(string file, string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
