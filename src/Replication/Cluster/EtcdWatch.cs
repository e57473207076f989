using System.Text.Json;

namespace Tidemark.Replication.Cluster;

/// <summary>What a watch has to say.</summary>
internal enum EtcdNews
{
    /// <summary>Something happened to the key.</summary>
    Changed,

    /// <summary>Nothing was heard for long: either there was nothing to say, or the server is gone without a word.</summary>
    Quiet,

    /// <summary>The watch is over. A new one may be begun.</summary>
    Ended,
}

/// <summary>A watch of one key: a reply that goes on, one message a line.</summary>
/// <remarks>Not thread-safe. Only that something changed is taken from it; what there is now is for a read to say.</remarks>
internal sealed class EtcdWatch : IDisposable
{
    private readonly HttpResponseMessage _response;
    private readonly StreamReader _lines;
    private readonly EtcdStatusOptions _options;
    private Task<string?>? _next;   // Begun, and not answered when it was last waited for.

    private EtcdWatch(HttpResponseMessage response, StreamReader lines, EtcdStatusOptions options) => (_response, _lines, _options) = (response, lines, options);

    /// <summary>Takes over the response and waits for the first message, that the watch is there.</summary>
    /// <exception cref="IOException">It is not.</exception>
    internal static async Task<EtcdWatch> OpenAsync(HttpResponseMessage response, EtcdStatusOptions options, CancellationToken cancellationToken)
    {
        var watch = new EtcdWatch(response, new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false)), options);
        try
        {
            EtcdNews first = await watch.NextAsync(options.RequestTimeout, cancellationToken).ConfigureAwait(false);
            return first == EtcdNews.Changed ? watch : throw new IOException("etcd does not say that it watches.");
        }
        catch
        {
            watch.Dispose();
            throw;
        }
    }

    /// <summary>Waits for the next message, as long as a watch may be silent.</summary>
    /// <exception cref="IOException">etcd refuses to watch; the message says why.</exception>
    internal ValueTask<EtcdNews> NextAsync(CancellationToken cancellationToken) => NextAsync(_options.WatchIdle, cancellationToken);

    public void Dispose()
    {
        _lines.Dispose();
        _response.Dispose();
    }

    private async ValueTask<EtcdNews> NextAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        string? line;
        try
        {
            _next ??= _lines.ReadLineAsync(CancellationToken.None).AsTask();   // Ended by disposing.
            line = await _next.WaitAsync(patience, _options.TimeProvider, cancellationToken).ConfigureAwait(false);
            _next = null;
        }
        catch (TimeoutException)
        {
            return EtcdNews.Quiet;
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            return EtcdNews.Ended;
        }

        if (line is null) return EtcdNews.Ended;
        string? end;
        try
        {
            using var message = JsonDocument.Parse(line);
            end = EtcdMessages.ReadWatchEnd(message.RootElement);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new IOException("A watch answered with what is no answer of etcd's.", e);
        }

        return end switch
        {
            null => EtcdNews.Changed,
            "" => EtcdNews.Ended,
            _ => throw new IOException($"etcd refuses to watch: {end}."),
        };
    }
}
