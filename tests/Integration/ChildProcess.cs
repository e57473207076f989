using System.Diagnostics;

namespace Tidemark.Integration;

/// <summary>How a program ended, and what it said.</summary>
internal sealed record ProcessResult(string Command, int ExitCode, string Output, string Errors)
{
    public ProcessResult ExpectSuccess()
    {
        Assert.True(ExitCode == 0, $"{Command}\nended with {ExitCode}:\n{Output}\n{Errors}");
        return this;
    }
}

/// <summary>Runs programs to their end.</summary>
internal static class ChildProcess
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);   // Against hangs alone: nothing is measured by it.

    /// <summary>Runs the SDK, in a state as if started from a shell, and leaves no server behind.</summary>
    public static Task<ProcessResult> DotnetAsync(string workingDirectory, params string[] arguments) => RunAsync("dotnet", workingDirectory, arguments);

    public static async Task<ProcessResult> RunAsync(string program, string workingDirectory, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // What the test run set for itself would lead the inner build astray.
        foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
            start.Environment.Remove(name);
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["UseSharedCompilation"] = "false";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["DOTNET_NOLOGO"] = "1";

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        using var deadline = new CancellationTokenSource(Patience);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
        return new ProcessResult($"{program} {string.Join(' ', arguments)}", process.ExitCode, await output, await errors);
    }
}
