using System.Diagnostics;

namespace Tidemark.Integration;

/// <summary>The crash lab as a process, and what it said until it ended or was killed.</summary>
internal sealed class Lab : IDisposable
{
    private readonly Process _process;
    private readonly Task _reading;
    private readonly Task<string> _errors;
    private readonly List<string> _lines = [];

    private Lab(ProcessStartInfo start)
    {
        _process = Process.Start(start)!;
        _reading = Task.Run(() =>
        {
            while (_process.StandardOutput.ReadLine() is { } line)
            {
                lock (_lines) _lines.Add(line);
            }
        });
        _errors = _process.StandardError.ReadToEndAsync();
    }

    internal string[] Lines
    {
        get
        {
            lock (_lines) return [.. _lines];
        }
    }

    internal string[] Tried => [.. Lines.Where(line => line.StartsWith("try ", StringComparison.Ordinal)).Select(line => line[4..])];

    internal string[] Acknowledged => [.. Lines.Where(line => line.StartsWith("ack ", StringComparison.Ordinal)).Select(line => line[4..])];

    internal int ExitCode => _process.ExitCode;

    internal string Errors => _errors.Result;

    /// <summary>Starts the lab.</summary>
    internal static Lab Start(params string[] arguments) => new(Info("dotnet", [BuiltProgram.CrashLab, .. arguments]));

    /// <summary>Starts the lab under strace, which writes what it saw to a file.</summary>
    internal static Lab StartTraced(string traceFile, string[] straceArguments, params string[] arguments) => new(Info(
        ExternalProgram.Path("strace"), ["-f", "-o", traceFile, .. straceArguments, "dotnet", BuiltProgram.CrashLab, .. arguments]));

    /// <summary>Runs the lab to its end.</summary>
    internal static async Task<Lab> RunAsync(params string[] arguments)
    {
        Lab lab = Start(arguments);
        await lab.WaitAsync();
        return lab;
    }

    internal async Task WaitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(2));
        await _reading;
        await _errors;
    }

    /// <summary>Waits until so many lines were said or the lab has ended.</summary>
    internal async Task WaitForLinesAsync(int count)
    {
        while (!_process.HasExited && Lines.Length < count) await Task.Delay(1);
    }

    /// <summary>SIGKILL: no handler runs.</summary>
    internal async Task KillAsync()
    {
        try
        {
            _process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It was quicker.
        }

        await WaitAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private static ProcessStartInfo Info(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["DOTNET_TieredCompilation"] = "1";
        return start;
    }
}
