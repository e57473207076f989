using System.Buffers;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace Tidemark.Integration.Service;

/// <summary>A browser without a window that shows one page. What the page says is asked through the browser's debugging protocol.</summary>
internal sealed class Browser : IDisposable
{
    private static readonly TimeSpan _patience = ServiceProcess.Patience;

    private readonly TemporaryDirectory _profile = new();
    private readonly ClientWebSocket _socket = new();
    private readonly Process _process;

    private Browser(Uri page)
    {
        string[] arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0", $"--user-data-dir={_profile.Path}", page.ToString()];
        _process = Process.Start(new ProcessStartInfo(ExternalProgram.Path("chromium"), arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        _process.ErrorDataReceived += (_, _) => { };   // It says much that nobody needs.
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
    }

    internal static async Task<Browser> OpenAsync(Uri page)
    {
        var browser = new Browser(page);
        try
        {
            await browser.ConnectAsync();
            return browser;
        }
        catch
        {
            browser.Dispose();
            throw;
        }
    }

    /// <summary>Waits until an expression is true in the page.</summary>
    internal async Task UntilAsync(string expression)
    {
        for (DateTime end = DateTime.UtcNow + _patience; await AskAsync(expression) is not { ValueKind: JsonValueKind.True }; await Task.Delay(100))
            Assert.True(DateTime.UtcNow < end, $"never so: {expression}. The page says: {await AskAsync("document.body.innerText")}");
    }

    public void Dispose()
    {
        _socket.Dispose();
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
        _profile.Dispose();
    }

    private async Task ConnectAsync()
    {
        string file = _profile.At("DevToolsActivePort");
        using var http = new HttpClient();
        for (DateTime end = DateTime.UtcNow + _patience; DateTime.UtcNow < end; await Task.Delay(50))
        {
            if (!File.Exists(file) || File.ReadAllLines(file) is not [var port, ..]) continue;
            JsonElement[] targets = await http.GetFromJsonAsync<JsonElement[]>($"http://127.0.0.1:{port}/json/list") ?? [];
            if (!Array.Exists(targets, IsPage)) continue;
            await _socket.ConnectAsync(new Uri(Array.Find(targets, IsPage).GetProperty("webSocketDebuggerUrl").GetString()!), CancellationToken.None);
            return;
        }

        throw new TimeoutException("the browser does not start");

        static bool IsPage(JsonElement target) => target.GetProperty("type").GetString() == "page";
    }

    private async Task<JsonElement> AskAsync(string expression)
    {
        using var deadline = new CancellationTokenSource(_patience);
        byte[] question = JsonSerializer.SerializeToUtf8Bytes(new { id = 1, method = "Runtime.evaluate", @params = new { expression, returnByValue = true } });
        await _socket.SendAsync(question, WebSocketMessageType.Text, endOfMessage: true, deadline.Token);
        var answer = new ArrayBufferWriter<byte>();
        ValueWebSocketReceiveResult part;
        do
        {
            part = await _socket.ReceiveAsync(answer.GetMemory(4096), deadline.Token);
            answer.Advance(part.Count);
        }
        while (!part.EndOfMessage);
        JsonElement result = JsonDocument.Parse(Encoding.UTF8.GetString(answer.WrittenSpan)).RootElement.GetProperty("result").GetProperty("result");
        return result.TryGetProperty("value", out JsonElement value) ? value : default;
    }
}
