using System.Diagnostics;

namespace Tidemark.Integration.Service;

/// <summary>One process of the Service sample.</summary>
internal sealed class ServiceProcess : IDisposable
{
    internal static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);   // Against hangs alone: nothing is measured by it.

    private const long SmallDiskBytes = 256L * 1024 * 1024;

    /// <summary>What gives a process mounts of its own here: as anybody, or else as root.</summary>
    private static readonly Lazy<string[]> _ownMounts = new(() => MayUnshare("--user", "--map-root-user", "--mount") ? ["--user", "--map-root-user", "--mount"] : ["--mount"]);

    private readonly Process _process;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;
    private readonly Task<string> _errors;
    private readonly List<string> _lines = [];

    private ServiceProcess(string file, IEnumerable<string> arguments)
    {
        _process = Process.Start(new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" })!;
        _reading = Task.Run(ReadAsync);
        _errors = _process.StandardError.ReadToEndAsync();
    }

    internal int ExitCode => _process.ExitCode;

    /// <summary>What it said on its standard output. Complete once it has ended.</summary>
    internal IReadOnlyList<string> Lines => _lines;

    internal static ServiceProcess Start(params string[] arguments) => new("dotnet", [BuiltProgram.Service, .. arguments]);

    /// <summary>As <see cref="Start"/>, with a small disk of its own at a path. Nobody else sees it there, and it goes with the process.</summary>
    internal static ServiceProcess StartOnSmallDisk(string path, params string[] arguments) => new(
        "unshare", [.. _ownMounts.Value, "sh", "-c", $"mount -t tmpfs -o size={SmallDiskBytes} none \"$0\" && exec \"$@\"", path, "dotnet", BuiltProgram.Service, .. arguments]);

    /// <summary>A file on a disk of its own, as it can be reached from here.</summary>
    internal string Inside(string path) => $"/proc/{_process.Id}/root{path}";

    /// <summary>Waits until it serves.</summary>
    internal async Task ReadyAsync()
    {
        await Task.WhenAny(_ready.Task, _process.WaitForExitAsync()).WaitAsync(Patience);
        if (_ready.Task.IsCompleted) return;
        await WaitAsync();
        Assert.Fail($"the service ended with {_process.ExitCode}: {await _errors}");
    }

    /// <summary>SIGKILL: no handler runs.</summary>
    internal Task KillAsync() => EndAsync("-KILL");

    /// <summary>SIGTERM, and waits until it has ended by itself.</summary>
    internal Task TerminateAsync() => EndAsync("-TERM");

    /// <summary>Stops it where it is: connections stay, and nobody answers.</summary>
    internal void Freeze() => Signal("-STOP");

    internal void Thaw() => Signal("-CONT");

    /// <summary>Waits for its end.</summary>
    /// <returns>What it said on its standard error.</returns>
    internal async Task<string> WaitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        await _reading;
        return await _errors;
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();   // Also where it is frozen.
        _process.WaitForExit();
        _process.Dispose();
    }

    private static bool MayUnshare(params string[] what)
    {
        using Process probe = Process.Start(new ProcessStartInfo("unshare", [.. what, "sh", "-c", "mount -t tmpfs none /mnt"]) { RedirectStandardError = true })!;
        probe.StandardError.ReadToEnd();
        probe.WaitForExit();
        return probe.ExitCode == 0;
    }

    private async Task EndAsync(string signal)
    {
        Signal(signal);
        await WaitAsync();
    }

    private void Signal(string signal)
    {
        using Process kill = Process.Start("kill", [signal, $"{_process.Id}"]);
        kill.WaitForExit();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            _lines.Add(line);
            if (line == "ready") _ready.TrySetResult();
        }
    }
}
