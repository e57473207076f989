using System.Collections.Concurrent;
using System.Text;

namespace Tidemark.Integration;

/// <summary>What happens to one request.</summary>
internal enum HttpFault
{
    None,

    /// <summary>The connection is refused: nothing is sent.</summary>
    Refuse,

    /// <summary>The server gets it and answers, and the answer is lost.</summary>
    LoseAnswer,

    /// <summary>The server gets it, and in place of its answer stands a gateway's that gave up.</summary>
    GatewayTimeout,

    /// <summary>A watch that says it is there and then nothing more.</summary>
    SilentWatch,

    /// <summary>A watch that ends because its revisions were compacted away.</summary>
    CompactedWatch,
}

/// <summary>Carries requests, and does to the next to a path what is ordered.</summary>
internal sealed class FaultyHttp : DelegatingHandler
{
    internal FaultyHttp()
        : base(new SocketsHttpHandler())
    {
    }

    /// <summary>What to do to the requests to a path, by its end, one after the other; then nothing.</summary>
    internal Dictionary<string, Queue<HttpFault>> Faults { get; } = [];

    /// <summary>The paths of all requests, in order.</summary>
    internal ConcurrentQueue<string> Requests { get; } = [];

    internal void Order(string path, params HttpFault[] faults) => Faults[path] = new Queue<HttpFault>(faults);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        string path = request.RequestUri!.AbsolutePath;
        HttpFault fault = HttpFault.None;
        lock (Faults)
        {
            Requests.Enqueue(path);
            if (Faults.TryGetValue(path, out Queue<HttpFault>? queue)) queue.TryDequeue(out fault);
        }

        switch (fault)
        {
            case HttpFault.Refuse:
                throw new HttpRequestException(HttpRequestError.ConnectionError, "Connection refused.");
            case HttpFault.SilentWatch:
                return Lines("""{"result":{"created":true}}""", goesOn: true);
            case HttpFault.CompactedWatch:
                return Lines("""{"result":{"created":true}}""" + "\n" + """{"result":{"canceled":true,"compact_revision":"7"}}""", goesOn: false);
        }

        HttpResponseMessage response = await base.SendAsync(request, cancellationToken);
        if (fault == HttpFault.None) return response;
        response.Dispose();
        if (fault == HttpFault.LoseAnswer) throw new HttpRequestException(HttpRequestError.ResponseEnded, "The answer was lost.");
        return new HttpResponseMessage(System.Net.HttpStatusCode.GatewayTimeout) { Content = new StringContent("""{"error":"etcdserver: request timed out","code":14}""") };
    }

    private static HttpResponseMessage Lines(string lines, bool goesOn)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(lines + "\n");
        return new HttpResponseMessage { Content = new StreamContent(goesOn ? new EndlessStream(bytes) : new MemoryStream(bytes)) };
    }

    /// <summary>Some bytes, and then a wait without end.</summary>
    private sealed class EndlessStream(byte[] bytes) : MemoryStream(bytes)
    {
        private readonly CancellationTokenSource _disposed = new();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Position < Length) return await base.ReadAsync(buffer, cancellationToken);
            try
            {
                await Task.Delay(Timeout.Infinite, _disposed.Token);
            }
            catch (OperationCanceledException)
            {
                // Closed, which ends a read.
            }

            return 0;
        }

        protected override void Dispose(bool disposing)
        {
            _disposed.Cancel();
            base.Dispose(disposing);
        }
    }
}
