using System.Globalization;
using System.Text;

using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

using Tidemark;

namespace Service;

/// <summary>How requests are read, and what is answered where something goes wrong.</summary>
internal static class Answers
{
    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Turns exceptions into status codes.</summary>
    internal static async Task CatchAsync(HttpContext http, RequestDelegate next)
    {
        try
        {
            await next(http);
        }
        catch (Exception e) when (!http.Response.HasStarted && StatusOf(e, http.RequestAborted) is { } status)
        {
            http.Response.Clear();
            http.Response.StatusCode = status;
            await http.Response.WriteAsJsonAsync(new { error = e.Message });
        }
    }

    /// <summary>The key that stands behind /kv/ in the request's target, decoded once. What the server makes of the path decodes all but slashes, and cuts out dots.</summary>
    internal static string KeyOf(HttpContext http)
    {
        const string Prefix = "/kv/";
        string target = http.Features.Get<IHttpRequestFeature>()!.RawTarget;
        int start = target.IndexOf(Prefix, StringComparison.OrdinalIgnoreCase) + Prefix.Length;
        int end = target.IndexOf('?', StringComparison.Ordinal) is >= 0 and var query ? query : target.Length;
        if (start < Prefix.Length || start >= end) throw new BadHttpRequestException("The key is empty. Name one: /kv/{key}.");
        var bytes = new List<byte>(end - start);
        for (int i = start; i < end; i++)
        {
            if (target[i] != '%')
            {
                bytes.Add((byte)target[i]);
                continue;
            }

            if (i + 2 >= end || !byte.TryParse(target.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
                throw new BadHttpRequestException("The key has a '%' without two hexadecimal digits behind it. Write '%25' for the character itself.");
            bytes.Add(value);
            i += 2;
        }

        try
        {
            return _strictUtf8.GetString([.. bytes]);
        }
        catch (DecoderFallbackException)
        {
            throw new BadHttpRequestException("The key is not UTF-8.");
        }
    }

    /// <summary>A number of the query; null where there is none.</summary>
    internal static long? Number(HttpContext http, string name, long least)
    {
        if (!http.Request.Query.TryGetValue(name, out var text)) return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number >= least
            ? number
            : throw new BadHttpRequestException($"{name} is a whole number of {least} or more.");
    }

    /// <summary>How fresh a read must be.</summary>
    internal static ReadLevel Level(HttpContext http) => (string?)http.Request.Query["consistency"] switch
    {
        null or "linearizable" => ReadLevel.Linearizable,
        "local" => ReadLevel.Local,
        _ => throw new BadHttpRequestException("consistency is linearizable or local."),
    };

    /// <summary>The status code for an exception; null for one that nobody foresaw.</summary>
    internal static int? StatusOf(Exception e, CancellationToken aborted) => e switch
    {
        BadHttpRequestException bad => bad.StatusCode,
        LimitExceededException => StatusCodes.Status413PayloadTooLarge,
        OffsetOutOfRangeException => StatusCodes.Status416RangeNotSatisfiable,
        ArgumentException => StatusCodes.Status400BadRequest,
        OutcomeUnknownException => StatusCodes.Status504GatewayTimeout,
        TidemarkException or ObjectDisposedException => StatusCodes.Status503ServiceUnavailable,   // It surely did not happen.
        OperationCanceledException when aborted.IsCancellationRequested => StatusCodes.Status499ClientClosedRequest,
        _ => null,
    };
}
