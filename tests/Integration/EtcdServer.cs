using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Tidemark.Integration;

/// <summary>An etcd of one member.</summary>
internal sealed class EtcdServer : StatusServer
{
    private readonly int _peerPort = FreePort();
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(5) };

    internal Uri Address => new($"http://127.0.0.1:{Port}");

    internal static async Task<EtcdServer> RunAsync()
    {
        var server = new EtcdServer();
        await server.StartAsync();
        return server;
    }

    /// <summary>Says something to the gateway that the store has no word for.</summary>
    internal async Task<JsonElement> PostAsync(string path, object body, string? token = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Address, path)) { Content = JsonContent.Create(body) };
        await request.Content.LoadIntoBufferAsync();   // With a length: the gateway takes no chunks.
        if (token is not null) request.Headers.TryAddWithoutValidation("Authorization", token);
        using HttpResponseMessage response = await _client.SendAsync(request);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {await response.Content.ReadAsStringAsync()}");
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    internal static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    protected override (string Program, string[] Arguments) Command() => (ExternalProgram.Path("etcd-server"),
    [
        "--data-dir", System.IO.Path.Join(Directory, "data"),
        "--listen-client-urls", Address.ToString().TrimEnd('/'), "--advertise-client-urls", Address.ToString().TrimEnd('/'),
        "--listen-peer-urls", $"http://127.0.0.1:{_peerPort}", "--initial-advertise-peer-urls", $"http://127.0.0.1:{_peerPort}",
        "--initial-cluster", $"default=http://127.0.0.1:{_peerPort}",
    ]);

    protected override async Task<bool> AnswersAsync()
    {
        try
        {
            using HttpResponseMessage response = await _client.GetAsync(new Uri(Address, "/health"));
            return response.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }
}
