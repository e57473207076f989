using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Tidemark.Integration;

/// <summary>A real server that keeps a status, on a free port of this machine and in a directory of its own. It can be killed, started again and frozen.</summary>
internal abstract class StatusServer : IDisposable
{
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);   // Against hangs alone: nothing is measured by it.

    private readonly TemporaryDirectory _directory = new();
    private Process? _process;
    private Task<string>? _said;

    protected string Directory => _directory.Path;

    internal int Port { get; } = FreePort();

    /// <summary>Starts it, on what it kept before, and waits until it answers.</summary>
    internal async Task StartAsync()
    {
        (string program, string[] arguments) = Command();
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = "/" };
        _process = Process.Start(start)!;
        _said = ReadAsync(_process);
        long begun = Stopwatch.GetTimestamp();
        while (!await AnswersAsync())
        {
            if (_process.HasExited || Stopwatch.GetElapsedTime(begun) > Patience) throw new InvalidOperationException($"{program} does not run: {(_process.HasExited ? await _said : "no answer")}");
            await Task.Delay(20);
        }
    }

    /// <summary>Ends it at once, without any farewell, and waits until it is gone.</summary>
    internal async Task KillAsync()
    {
        Signal("-CONT", Processes());
        Signal(KillSignal, [_process!.Id]);
        await _process!.WaitForExitAsync().WaitAsync(Patience);
        _process.Dispose();
        _process = null;
    }

    /// <summary>Stops it where it is: connections stay, and nobody answers.</summary>
    internal void Freeze() => Signal("-STOP", Processes());

    internal void Thaw() => Signal("-CONT", Processes());

    public void Dispose()
    {
        if (_process is not null) KillAsync().GetAwaiter().GetResult();
        _directory.Dispose();
    }

    protected virtual string KillSignal => "-KILL";

    protected abstract (string Program, string[] Arguments) Command();

    protected abstract Task<bool> AnswersAsync();

    /// <summary>A port that is free now, and none of those that the system gives to connections by itself: until it is listened to, only another listener could take it.</summary>
    internal static int FreePort()
    {
        while (true)
        {
            using var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(10_000, 32_000));
            try
            {
                listener.Start();
                return ((IPEndPoint)listener.LocalEndpoint).Port;
            }
            catch (SocketException)
            {
                // Somebody has it: another.
            }
        }
    }

    private static string[] Children(int process) => File.ReadAllText($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private int[] Processes() => [_process!.Id, .. Children(_process.Id).Select(int.Parse)];

    private static void Signal(string signal, int[] processes)
    {
        var start = new ProcessStartInfo("kill", [signal, .. processes.Select(process => $"{process}")]) { RedirectStandardError = true };   // Some may just have ended by themselves.
        using Process kill = Process.Start(start)!;
        kill.StandardError.ReadToEnd();
        kill.WaitForExit();
    }

    private static async Task<string> ReadAsync(Process process)
    {
        Task<string> errors = process.StandardError.ReadToEndAsync();
        return await process.StandardOutput.ReadToEndAsync() + await errors;
    }
}
