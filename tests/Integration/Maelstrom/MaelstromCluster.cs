using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;

namespace Tidemark.Integration;

/// <summary>Processes of the sample on a network that this process plays.</summary>
internal sealed class MaelstromCluster(int count) : IAsyncDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);   // Against hangs alone.

    private readonly TemporaryDirectory _data = new();
    private readonly Process?[] _processes = new Process?[count];
    private readonly StringBuilder _log = new();

    internal MaelstromNetwork Network { get; } = new();

    internal static string Name(int node) => $"n{node}";

    /// <summary>Starts them all and waits until each has answered a write.</summary>
    internal static async Task<MaelstromCluster> StartAsync(int count)
    {
        var cluster = new MaelstromCluster(count);
        try
        {
            for (int node = 0; node < count; node++) cluster.Start(node);
            await Task.WhenAll(Enumerable.Range(0, count).Select(cluster.InitAsync));
            for (int node = 0; node < count; node++) await cluster.WriteAsync(node);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a process, over what an earlier one has left.</summary>
    internal void Start(int node)
    {
        var start = new ProcessStartInfo("dotnet", [BuiltProgram.Maelstrom])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MAELSTROM_DATA"] = _data.Path;
        Process process = _processes[node] = Process.Start(start)!;
        process.ErrorDataReceived += (_, line) =>
        {
            lock (_log) _log.AppendLine($"{Name(node)}: {line.Data}");
        };
        process.BeginErrorReadLine();
        Network.Attach(Name(node), process.StandardInput.BaseStream, process.StandardOutput.BaseStream);
    }

    internal async Task InitAsync(int node)
    {
        string names = string.Join(',', Enumerable.Range(0, count).Select(each => $"\"{Name(each)}\""));
        JsonObject answer = await AskAsync(node, $$"""{"type":"init","node_id":"{{Name(node)}}","node_ids":[{{names}}]}""");
        Assert.Equal("init_ok", (string?)answer["type"]);
    }

    /// <summary>SIGKILL: no handler runs.</summary>
    internal async Task KillAsync(int node)
    {
        Process process = _processes[node]!;
        process.Kill();
        await process.WaitForExitAsync();
        Network.Detach(Name(node));
        process.Dispose();
        _processes[node] = null;
    }

    /// <summary>Ends a process's input and waits for its end.</summary>
    internal async Task<int> EndAsync(int node)
    {
        Network.Detach(Name(node));
        await _processes[node]!.WaitForExitAsync().WaitAsync(_patience);
        return _processes[node]!.ExitCode;
    }

    /// <summary>Asks one node, which must answer.</summary>
    internal async Task<JsonObject> AskAsync(int node, string body) =>
        await Network.CallAsync("c1", Name(node), body, _patience) ?? throw new TimeoutException($"{Name(node)} does not answer.\n{Log}");

    /// <summary>Writes a key of its own through a node until that is done.</summary>
    internal async Task WriteAsync(int node)
    {
        for (long begin = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begin) < _patience; await Task.Delay(50))
        {
            JsonObject answer = await AskAsync(node, $$"""{"type":"write","key":"ready","value":{{node}}}""");
            if ((string?)answer["type"] == "write_ok") return;
        }

        Assert.Fail($"{Name(node)} takes no writes.\n{Log}");
    }

    internal string Log
    {
        get
        {
            lock (_log) return _log.ToString();
        }
    }

    public async ValueTask DisposeAsync()
    {
        for (int node = 0; node < count; node++)
        {
            if (_processes[node] is { HasExited: false }) await KillAsync(node);
        }

        await Network.DisposeAsync();
        _data.Dispose();
    }
}
