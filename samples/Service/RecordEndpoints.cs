using System.Text.Json;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

using Tidemark;

namespace Service;

/// <summary>Records over HTTP: /kv/{key} and /kv.</summary>
internal static class RecordEndpoints
{
    private static readonly byte[] _newLine = [(byte)'\n'];

    internal static void MapRecords(this IEndpointRouteBuilder app)
    {
        app.MapPut("/kv/{**key}", PutAsync);
        app.MapGet("/kv/{**key}", GetAsync);
        app.MapDelete("/kv/{**key}", DeleteAsync);
        app.MapGet("/kv", ScanAsync);
    }

    private static async Task<IResult> PutAsync(HttpContext http, KeyValueStore store)
    {
        var options = new PutOptions { ExpectedVersion = Answers.Number(http, "expectedVersion", least: 0) };
        string key = Answers.KeyOf(http);
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        // Once begun it is waited for: who has gone away learns nothing, but nothing is left in doubt here.
        return ToResult(await store.PutAsync(key, body.GetBuffer().AsMemory(0, (int)body.Length), options, CancellationToken.None));
    }

    private static async Task<IResult> DeleteAsync(HttpContext http, KeyValueStore store)
    {
        var options = new DeleteOptions { ExpectedVersion = Answers.Number(http, "expectedVersion", least: 0) };
        return ToResult(await store.DeleteAsync(Answers.KeyOf(http), options, CancellationToken.None));
    }

    private static async Task<IResult> GetAsync(HttpContext http, KeyValueStore store)
    {
        var options = new GetOptions { Level = Answers.Level(http) };
        if (await store.GetAsync(Answers.KeyOf(http), options, http.RequestAborted) is not { } record) return Results.NotFound(new { version = 0 });
        http.Response.Headers["Version"] = $"{record.Version}";
        return Results.Bytes(record.Value, "application/octet-stream");
    }

    /// <summary>Records of [start, end), one line of JSON each. They are as they were when the scan began.</summary>
    private static async Task ScanAsync(HttpContext http, KeyValueStore store)
    {
        IQueryCollection query = http.Request.Query;
        bool isReverse = (string?)query["reverse"] switch
        {
            null or "false" => false,
            "true" => true,
            _ => throw new BadHttpRequestException("reverse is true or false."),
        };
        var options = new ScanOptions
        {
            Limit = Answers.Number(http, "limit", least: 1) is { } limit ? (int)Math.Min(limit, int.MaxValue) : null,
            Reverse = isReverse,
            Level = Answers.Level(http),
        };
        var range = KeyRange.Between((string?)query["start"] ?? "", (string?)query["end"] ?? "");
        http.Response.ContentType = "application/x-ndjson";
        await foreach (StoreRecord record in store.ScanAsync(range, options, http.RequestAborted))
        {
            await JsonSerializer.SerializeAsync(http.Response.Body, new { key = record.Key.ToString(), version = record.Version, value = record.Value }, JsonSerializerOptions.Web, http.RequestAborted);
            await http.Response.Body.WriteAsync(_newLine, http.RequestAborted);
        }
    }

    private static IResult ToResult(WriteResult result) => result.Status switch
    {
        StoreStatus.Ok => Results.Ok(new { version = result.Version }),
        StoreStatus.NotFound => Results.NotFound(new { version = 0 }),
        StoreStatus.VersionMismatch => Results.Conflict(new { version = result.Version }),
        _ => throw new BadHttpRequestException($"The write was refused: {result.Status}."),
    };
}
