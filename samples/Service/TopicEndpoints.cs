using System.Text.Json;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

using Tidemark;

namespace Service;

/// <summary>Topics over HTTP: /topics/{topic}, and how far groups have read them: /groups/{group}/{topic}.</summary>
internal static class TopicEndpoints
{
    private const int Partitions = 4;
    private const int MostMessages = 10_000;

    private static readonly byte[] _newLine = [(byte)'\n'];

    internal static void MapTopics(this IEndpointRouteBuilder app)
    {
        app.MapPost("/topics/{topic}", AppendAsync);
        app.MapGet("/topics/{topic}/{partition:int}", ReadAsync);
        app.MapPost("/groups/{group}/{topic}/{partition:int}", StoreOffsetAsync);
        app.MapGet("/groups/{group}/{topic}", DescribeGroupAsync);
    }

    /// <summary>Appends the body. A topic that is not there is made.</summary>
    private static async Task<IResult> AppendAsync(HttpContext http, string topic, TopicCollection topics)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        var message = new TopicMessage(body.GetBuffer().AsMemory(0, (int)body.Length)) { Key = (string?)http.Request.Query["key"] is { } key ? new StoreKey(key) : default(StoreKey?) };
        Topic to = await topics.GetOrCreateAsync(topic, new TopicOptions { Partitions = Partitions }, CancellationToken.None);
        AppendResult result = await to.AppendAsync(message, cancellationToken: CancellationToken.None);
        return Results.Ok(new { partition = result.Partition, offset = result.Offset });
    }

    /// <summary>Messages from an offset on, one line of JSON each; none at the end.</summary>
    private static async Task ReadAsync(HttpContext http, string topic, int partition, TopicCollection topics)
    {
        TopicPosition from = Answers.Number(http, "offset", least: 0) is { } offset ? TopicPosition.At(offset) : TopicPosition.First;
        var options = new TopicReadOptions { MaxMessages = (int)Math.Min(Answers.Number(http, "max", least: 1) ?? 100, MostMessages), Level = Answers.Level(http) };
        TopicPage page = await Find(topics, topic).ReadAsync(partition, from, options, http.RequestAborted);
        http.Response.ContentType = "application/x-ndjson";
        foreach (StoredMessage message in page.Messages)
        {
            var line = new
            {
                offset = message.Offset,
                timestamp = message.Timestamp.ToString(),
                key = message.Key?.ToString(),
                headers = message.Headers.Select(header => new { name = header.Name, value = header.Value }),
                payload = message.Payload,
            };
            await JsonSerializer.SerializeAsync(http.Response.Body, line, JsonSerializerOptions.Web, http.RequestAborted);
            await http.Response.Body.WriteAsync(_newLine, http.RequestAborted);
        }
    }

    /// <summary>Stores how far a group has read a partition: the first offset that was not handled.</summary>
    private static async Task<IResult> StoreOffsetAsync(HttpContext http, string group, string topic, int partition, KeyValueStore store, TopicCollection topics)
    {
        long next = Answers.Number(http, "offset", least: 0) ?? throw new BadHttpRequestException("offset is missing: the first message that was not handled.");
        await using var consumer = new TopicConsumer(store, Find(topics, topic), group);
        bool isStored = await consumer.StoreOffsetAsync(partition, next, CancellationToken.None);
        return isStored ? Results.Ok(new { partition, offset = next }) : Results.Conflict(new { partition });
    }

    private static async Task<IResult> DescribeGroupAsync(HttpContext http, string group, string topic, KeyValueStore store, TopicCollection topics)
    {
        Topic of = Find(topics, topic);
        await using var consumer = new TopicConsumer(store, of, group);
        var partitions = new List<object>();
        for (int partition = 0; partition < of.Options.Partitions; partition++)
        {
            long? offset = await consumer.GetOffsetAsync(partition, http.RequestAborted);
            PartitionInfo info = await of.DescribeAsync(partition, default, http.RequestAborted);
            partitions.Add(new { partition, offset, start = info.Start, end = info.End, lag = Math.Max(0, info.End - Math.Max(offset ?? 0, info.Start)) });
        }

        return Results.Ok(partitions);
    }

    private static Topic Find(TopicCollection topics, string name) => topics.Find(name) ?? throw new BadHttpRequestException($"There is no topic '{name}'.", StatusCodes.Status404NotFound);
}
