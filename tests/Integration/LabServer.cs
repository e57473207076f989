using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Tidemark.Integration;

/// <summary>The crash lab as a server that verifies one directory after the other, for tests with hundreds of them.</summary>
internal sealed partial class LabServer : IAsyncDisposable
{
    private readonly Process _process;

    private LabServer(Process process) => _process = process;

    internal static LabServer Start()
    {
        string[] arguments = [BuiltProgram.CrashLab, "log-verify", "--server"];
        return new LabServer(Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!);
    }

    /// <summary>Has a directory opened and verified.</summary>
    internal async Task<(int ExitCode, int Survived, string Message)> AskAsync(string directory)
    {
        await _process.StandardInput.WriteLineAsync(directory);
        await _process.StandardInput.FlushAsync();
        string? line = await _process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1));
        Assert.NotNull(line);
        Match answer = Answer().Match(line);
        Assert.True(answer.Success, line);
        return (Number(answer.Groups[1]), Number(answer.Groups[2]), answer.Groups[3].Value);
    }

    /// <summary>Ends the server as its callers do: by ending its input.</summary>
    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(0, _process.ExitCode);
        _process.Dispose();
    }

    private static int Number(Group group) => int.Parse(group.Value, CultureInfo.InvariantCulture);

    [GeneratedRegex("^([0-9]+) survived=([0-9]+) (.*)$")]
    private static partial Regex Answer();
}
