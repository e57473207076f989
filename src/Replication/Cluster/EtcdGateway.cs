using System.Net;
using System.Text.Json;

namespace Tidemark.Replication.Cluster;

/// <summary>Requests to the members of an etcd over its HTTP gateway: which member, as whom, how long, and what a failure means.</summary>
internal sealed class EtcdGateway : IDisposable
{
    private readonly EtcdStatusOptions _options;
    private readonly HttpClient _client;
    private int _first;   // The endpoint that answered last: tried first.
    private string? _token;

    internal EtcdGateway(EtcdStatusOptions options)
    {
        _options = options;
        // Redirects would carry a write to where it was not sent. Connections end now and then, so that names are resolved again.
        HttpMessageHandler handler = options.HttpHandler ?? new SocketsHttpHandler { AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.FromMinutes(2) };
        _client = new HttpClient(handler, disposeHandler: options.HttpHandler is null) { Timeout = Timeout.InfiniteTimeSpan };
    }

    private string Members => string.Join(", ", _options.Endpoints);

    public void Dispose() => _client.Dispose();

    /// <summary>Asks something that changes nothing: one endpoint after the other until one answers.</summary>
    /// <exception cref="IOException">None answered.</exception>
    internal Task<T> AskAsync<T>(string path, byte[] body, Func<JsonElement, T> read, CancellationToken cancellationToken) =>
        SendAsync(path, body, isWrite: false, read, cancellationToken);

    /// <summary>Asks for a change. It goes to the next endpoint only while it surely has not left for one.</summary>
    /// <exception cref="OutcomeUnknownException">It may have arrived, and no answer came.</exception>
    /// <exception cref="IOException">It surely was not done.</exception>
    internal Task<T> ChangeAsync<T>(string path, byte[] body, Func<JsonElement, T> read, CancellationToken cancellationToken) =>
        SendAsync(path, body, isWrite: true, read, cancellationToken);

    /// <summary>Begins a watch at the endpoint that answered last.</summary>
    /// <exception cref="IOException">It could not be reached.</exception>
    internal async Task<EtcdWatch> WatchAsync(byte[] body, CancellationToken cancellationToken)
    {
        Uri endpoint = _options.Endpoints[Volatile.Read(ref _first)];
        using var deadline = new Deadline(_options.RequestTimeout, _options.TimeProvider, cancellationToken);
        try
        {
            using HttpRequestMessage request = Request(endpoint, "/v3/watch", new EtcdContent(body), _token);
            HttpResponseMessage response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token).ConfigureAwait(false);
            return await EtcdWatch.OpenAsync(response, _options, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsFailure(e) && !cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"etcd at {endpoint} could not be asked to watch: {Reason(e)}", e);
        }
    }

    private async Task<T> SendAsync<T>(string path, byte[] body, bool isWrite, Func<JsonElement, T> read, CancellationToken cancellationToken)
    {
        int first = Volatile.Read(ref _first), count = _options.Endpoints.Count;
        Exception? failure = null;
        for (int i = 0; i < count; i++)
        {
            int at = (first + i) % count;
            EtcdContent content = new(body);
            using var deadline = new Deadline(_options.RequestTimeout, _options.TimeProvider, cancellationToken);
            try
            {
                T answer = await AskAsMemberAsync().ConfigureAwait(false);
                Volatile.Write(ref _first, at);
                return answer;
            }
            catch (Exception e) when (IsFailure(e) && cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException("The wait for etcd was cancelled.", e, cancellationToken);
            }
            catch (EtcdRefusedException e)
            {
                throw new IOException($"etcd at {_options.Endpoints[at]} refused: {e.Message}. Nothing was changed. Look at user, password, permissions and limits.", e);
            }
            catch (Exception e) when (IsFailure(e))
            {
                if (isWrite && content.HasLeft)
                    throw new OutcomeUnknownException($"etcd at {_options.Endpoints[at]} may have written and did not say so: {Reason(e)} Read the document to see.", e);
                failure = e;
            }

            async Task<T> AskAsMemberAsync()
            {
                Uri endpoint = _options.Endpoints[at];
                for (bool isSecond = false; ; isSecond = true)
                {
                    string? token = _options.User is null ? null : await TokenAsync(endpoint, isSecond, deadline.Token).ConfigureAwait(false);
                    try
                    {
                        return await OnceAsync(endpoint, path, content, token, read, deadline.Token).ConfigureAwait(false);
                    }
                    catch (EtcdRefusedException e) when (e.IsAboutToken && token is not null && !isSecond)
                    {
                        content = new EtcdContent(body);   // Refused before it was looked at: tokens grow old, and a restarted etcd forgets them.
                    }
                }
            }
        }

        throw new IOException($"etcd could not be reached at {Members}: {Reason(failure!)} {(isWrite ? "It surely was not written." : "")}".TrimEnd(), failure);
    }

    private async Task<string> TokenAsync(Uri endpoint, bool isAnew, CancellationToken cancellationToken)
    {
        if (!isAnew && Volatile.Read(ref _token) is { } known) return known;
        byte[] body = EtcdMessages.Authenticate(_options.User!, _options.Password!);
        string token = await OnceAsync(endpoint, "/v3/auth/authenticate", new EtcdContent(body), null, EtcdMessages.ReadToken, cancellationToken).ConfigureAwait(false);
        Volatile.Write(ref _token, token);
        return token;
    }

    private async Task<T> OnceAsync<T>(Uri endpoint, string path, EtcdContent content, string? token, Func<JsonElement, T> read, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = Request(endpoint, path, content, token);
        using HttpResponseMessage response = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
        byte[] bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            using var reply = JsonDocument.Parse(bytes);
            if (response.IsSuccessStatusCode) return read(reply.RootElement);
            string error = EtcdMessages.ReadError(reply.RootElement) ?? "no reason given";
            throw EtcdRefusedException.Is(response.StatusCode) ? new EtcdRefusedException(response.StatusCode, error) : new IOException($"status {(int)response.StatusCode}, {error}.");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new IOException($"{endpoint} answered with status {(int)response.StatusCode} and what is no answer of etcd's.", e);
        }
    }

    private static HttpRequestMessage Request(Uri endpoint, string path, EtcdContent content, string? token)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint, path)) { Content = content };
        if (token is not null) request.Headers.TryAddWithoutValidation("Authorization", token);
        return request;
    }

    private static bool IsFailure(Exception error) => error is HttpRequestException or IOException or OperationCanceledException;

    private string Reason(Exception error) => error is OperationCanceledException
        ? $"No answer within {_options.RequestTimeout.TotalSeconds:0.###} s ({nameof(EtcdStatusOptions)}.{nameof(EtcdStatusOptions.RequestTimeout)})."
        : error.Message;
}

/// <summary>A request's body that knows whether any of it has left.</summary>
/// <remarks>A request whose body never began surely was not carried out, whatever became of it: by that, and by no error's name, a refused connection is told from a broken one.</remarks>
internal sealed class EtcdContent(byte[] body) : HttpContent
{
    private volatile bool _hasLeft;

    internal bool HasLeft => _hasLeft;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        _hasLeft = true;
        await stream.WriteAsync(body, cancellationToken).ConfigureAwait(false);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = body.Length;
        return true;
    }
}

/// <summary>etcd has looked at a request and refused it, so that nothing was changed.</summary>
internal sealed class EtcdRefusedException(HttpStatusCode status, string error) : Exception($"{error} (status {(int)status})")
{
    /// <summary>Whether a new token may help.</summary>
    internal bool IsAboutToken => status == HttpStatusCode.Unauthorized
        || error.Contains("user name is empty", StringComparison.Ordinal) || error.Contains("auth store is old", StringComparison.Ordinal) || error.Contains("invalid auth token", StringComparison.Ordinal);

    /// <summary>Whether a status says so. Others, like 408 and those of 500 and above, may come after the deed.</summary>
    internal static bool Is(HttpStatusCode status) => status is HttpStatusCode.BadRequest or HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound
        or HttpStatusCode.MethodNotAllowed or HttpStatusCode.PreconditionFailed or HttpStatusCode.RequestEntityTooLarge or HttpStatusCode.TooManyRequests;
}
