using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;

namespace Tidemark.Integration.Service;

/// <summary>What the service promises over HTTP, asked of three processes.</summary>
[Collection(ServiceCollection.Name)]
public sealed class ServiceHttpTests(ServiceHttpTests.Running running) : IClassFixture<ServiceHttpTests.Running>
{
    private ServiceCluster Cluster => running.Cluster;

    [Fact]
    public async Task What_one_node_was_told_all_others_know()
    {
        (HttpStatusCode status, JsonElement answer) = await SendAsync(HttpMethod.Put, 0, "/kv/users/alice", "hello");
        Assert.Equal(HttpStatusCode.OK, status);
        long version = answer.GetProperty("version").GetInt64();
        Assert.True(version > 0);
        for (int node = 0; node < ServiceCluster.Count; node++)
        {
            using HttpResponseMessage response = await Cluster.Http.GetAsync(Cluster.At(node, "/kv/users/alice"));
            Assert.Equal("hello", await response.Content.ReadAsStringAsync());
            Assert.Equal([$"{version}"], response.Headers.GetValues("Version"));
            Assert.Equal("hello", await Cluster.GetAsync(node, "users/alice", "local"));   // The read before has brought the node that far.
        }
    }

    [Fact]
    public async Task A_version_that_is_expected_decides()
    {
        (_, JsonElement first) = await SendAsync(HttpMethod.Put, 0, "/kv/cas?expectedVersion=0", "1");
        long version = first.GetProperty("version").GetInt64();
        await AssertRefusedAsync(HttpMethod.Put, "/kv/cas?expectedVersion=0", version);
        await AssertRefusedAsync(HttpMethod.Put, $"/kv/cas?expectedVersion={version + 1}", version);
        await AssertRefusedAsync(HttpMethod.Delete, $"/kv/cas?expectedVersion={version + 1}", version);
        Assert.Equal("1", await Cluster.GetAsync(1, "cas"));

        (HttpStatusCode status, JsonElement second) = await SendAsync(HttpMethod.Put, 1, $"/kv/cas?expectedVersion={version}", "2");
        Assert.Equal(HttpStatusCode.OK, status);
        long next = second.GetProperty("version").GetInt64();
        Assert.True(next > version);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Delete, 2, $"/kv/cas?expectedVersion={next}")).Status);
        Assert.Null(await Cluster.GetAsync(0, "cas"));
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Delete, 0, "/kv/cas")).Status);
    }

    [Theory]
    [InlineData("PUT", "/kv/k?expectedVersion=x")]
    [InlineData("PUT", "/kv/k?expectedVersion=")]
    [InlineData("PUT", "/kv/k?expectedVersion=-1")]
    [InlineData("PUT", "/kv/k?expectedVersion=99999999999999999999")]
    [InlineData("PUT", "/kv/")]
    [InlineData("PUT", "/kv/__tidemark/x")]
    [InlineData("PUT", "/kv/%FF")]
    [InlineData("PUT", "/kv/%4")]
    [InlineData("PUT", "/kv/a%zzb")]
    [InlineData("DELETE", "/kv/k?expectedVersion=1.5")]
    [InlineData("GET", "/kv/k?consistency=often")]
    [InlineData("GET", "/kv?limit=0")]
    [InlineData("GET", "/kv?limit=x")]
    [InlineData("GET", "/kv?reverse=maybe")]
    [InlineData("GET", "/kv?consistency=often")]
    [InlineData("GET", "/topics/refused/0?offset=-1")]
    [InlineData("GET", "/topics/refused/0?max=0")]
    [InlineData("POST", "/groups/g/refused/0")]
    public async Task What_makes_no_sense_is_refused(string method, string path)
    {
        (HttpStatusCode status, JsonElement answer) = await SendAsync(new HttpMethod(method), 0, path, method == "PUT" ? "x" : null);
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.NotEqual("", answer.GetProperty("error").GetString());
    }

    [Fact]
    public async Task A_watch_that_would_go_on_where_it_never_was_is_refused()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Cluster.At(0, "/watch"));
        request.Headers.TryAddWithoutValidation("Last-Event-ID", "nonsense");
        using HttpResponseMessage response = await Cluster.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task What_is_too_large_is_refused_and_the_largest_is_not()
    {
        string largest = new('v', 1024 * 1024);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Put, 0, "/kv/large", largest)).Status);
        Assert.Equal(largest, await Cluster.GetAsync(1, "large"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await SendAsync(HttpMethod.Put, 0, "/kv/larger", largest + "v")).Status);
        Assert.Null(await Cluster.GetAsync(0, "larger"));
        using var chunked = new HttpRequestMessage(HttpMethod.Put, Cluster.At(0, "/kv/larger")) { Content = new StringContent(largest + "v") };
        chunked.Headers.TransferEncodingChunked = true;
        using HttpResponseMessage response = await Cluster.Http.SendAsync(chunked);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Put, 0, $"/kv/{new string('k', 480)}", "x")).Status);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await SendAsync(HttpMethod.Put, 0, $"/kv/{new string('k', 481)}", "x")).Status);
    }

    /// <summary>A key is what stands in the target, decoded once, whatever servers usually make of paths.</summary>
    [Theory]
    [InlineData("/kv/keys/a%2Fb", "keys/a/b")]
    [InlineData("/kv/keys/a%252Fb", "keys/a%2Fb")]
    [InlineData("/kv/keys//double", "keys//double")]
    [InlineData("/kv/%2Fkeys", "/keys")]
    [InlineData("/kv/keys/a+b", "keys/a+b")]
    [InlineData("/kv/keys/%C3%A9%20%E2%82%AC", "keys/é €")]
    [InlineData("/kv/keys/..%2F..", "keys/../..")]
    [InlineData("/kv/keys/a%3Fb%26c%3D%25", "keys/a?b&c=%")]
    public async Task A_key_is_decoded_once(string path, string key)
    {
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Put, 0, path, key)).Status);
        using HttpResponseMessage response = await Cluster.Http.GetAsync(Cluster.At(1, path));
        Assert.Equal(key, await response.Content.ReadAsStringAsync());
        string query = $"start={Uri.EscapeDataString(key)}&end={Uri.EscapeDataString(key + "!")}";
        Assert.Contains(key, (await RecordsAsync(2, query)).Select(record => record.Key));
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Delete, 2, path)).Status);
    }

    [Fact]
    public async Task A_scan_gives_a_range_in_order_from_either_end()
    {
        byte[] value = [0, 255, 10, 13];
        for (int i = 0; i < 5; i++)
        {
            using HttpResponseMessage put = await Cluster.Http.PutAsync(Cluster.At(i % 3, $"/kv/scan/{i}"), new ByteArrayContent(value));
            put.EnsureSuccessStatusCode();
        }

        (string Key, long Version, byte[] Value)[] all = await RecordsAsync(1, "start=scan/&end=scan0");
        Assert.Equal(["scan/0", "scan/1", "scan/2", "scan/3", "scan/4"], all.Select(record => record.Key));
        Assert.All(all, record => Assert.Equal(value, record.Value));
        Assert.True(all.Zip(all.Skip(1)).All(pair => pair.First.Version < pair.Second.Version));
        Assert.Equal(["scan/1", "scan/2"], (await RecordsAsync(2, "start=scan/1&end=scan/3")).Select(record => record.Key));
        Assert.Equal(["scan/4", "scan/3"], (await RecordsAsync(0, "start=scan/&end=scan0&reverse=true&limit=2")).Select(record => record.Key));
        Assert.Equal(["scan/0"], (await RecordsAsync(0, "start=scan/&limit=1&consistency=local")).Select(record => record.Key));
        Assert.Empty(await RecordsAsync(0, "start=scan/9&end=scan/1"));
    }

    [Fact]
    public async Task A_watch_tells_every_change_and_goes_on_after_the_last_that_was_seen()
    {
        using var patience = new CancellationTokenSource(ServiceProcess.Patience);
        string last;
        await using (IAsyncEnumerator<SseItem<string>> events = WatchAsync(2, null, patience.Token).GetAsyncEnumerator(patience.Token))
        {
            Assert.Equal("open", (await NextAsync(events)).EventType);
            await SendAsync(HttpMethod.Put, 0, "/kv/elsewhere", "x");
            await SendAsync(HttpMethod.Put, 0, "/kv/watched/a", "1");
            await SendAsync(HttpMethod.Put, 1, "/kv/watched/a", "2");
            AssertChange(await NextAsync(events), "created", "watched/a", "1");
            SseItem<string> seen = await NextAsync(events);
            AssertChange(seen, "modified", "watched/a", "2");
            last = seen.EventId!;
        }

        await SendAsync(HttpMethod.Delete, 0, "/kv/watched/a");   // While nobody watches.
        await SendAsync(HttpMethod.Put, 0, "/kv/watched/b", "3");
        await using IAsyncEnumerator<SseItem<string>> again = WatchAsync(1, last, patience.Token).GetAsyncEnumerator(patience.Token);
        Assert.Equal("open", (await NextAsync(again)).EventType);
        AssertChange(await NextAsync(again), "deleted", "watched/a", null);
        AssertChange(await NextAsync(again), "created", "watched/b", "3");
    }

    [Fact]
    public async Task What_is_appended_to_a_topic_on_one_node_is_read_on_all_and_groups_know_how_far()
    {
        for (int i = 0; i < 6; i++)
        {
            (HttpStatusCode status, JsonElement appended) = await SendAsync(HttpMethod.Post, i % 3, "/topics/orders%20of?key=customer-17", $"order {i}");
            Assert.Equal((HttpStatusCode.OK, i), (status, appended.GetProperty("offset").GetInt32()));
        }

        int partition = (await SendAsync(HttpMethod.Post, 0, "/topics/orders%20of?key=customer-17", "last")).Answer.GetProperty("partition").GetInt32();
        for (int node = 0; node < 3; node++)
        {
            string text = await Cluster.Http.GetStringAsync(Cluster.At(node, $"/topics/orders%20of/{partition}?offset=2&max=3"));
            JsonElement[] lines = [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
            Assert.Equal([2, 3, 4], lines.Select(line => line.GetProperty("offset").GetInt32()));
            Assert.Equal(["order 2", "order 3", "order 4"], lines.Select(line => Encoding.UTF8.GetString(line.GetProperty("payload").GetBytesFromBase64())));
            Assert.All(lines, line => Assert.Equal(("customer-17", 0), (line.GetProperty("key").GetString(), line.GetProperty("headers").GetArrayLength())));
            Assert.True(HybridTimestamp.Parse(lines[0].GetProperty("timestamp").GetString()!) < HybridTimestamp.Parse(lines[2].GetProperty("timestamp").GetString()!));
        }

        Assert.Equal("", await Cluster.Http.GetStringAsync(Cluster.At(1, $"/topics/orders%20of/{partition}?offset=7")));
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, (await SendAsync(HttpMethod.Get, 1, $"/topics/orders%20of/{partition}?offset=8")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(HttpMethod.Get, 1, "/topics/none/0")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(HttpMethod.Get, 1, "/topics/orders%20of/99")).Status);

        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Post, 1, $"/groups/billing/orders%20of/{partition}?offset=5")).Status);
        (_, JsonElement group) = await SendAsync(HttpMethod.Get, 2, "/groups/billing/orders%20of");
        Assert.Equal((5, 7, 2), Numbers(group[partition]));
        Assert.All(Enumerable.Range(0, group.GetArrayLength()).Where(other => other != partition), other => Assert.Equal(JsonValueKind.Null, group[other].GetProperty("offset").ValueKind));

        static (int Offset, int End, int Lag) Numbers(JsonElement found) => (found.GetProperty("offset").GetInt32(), found.GetProperty("end").GetInt32(), found.GetProperty("lag").GetInt32());
    }

    [Fact]
    public async Task The_cluster_is_described_and_healthy()
    {
        await Cluster.PutAsync(0, "described", "1");
        int leader = await Cluster.LeaderAsync();
        JsonElement shard = await Cluster.DescribeAsync(leader);
        Assert.Equal("leader", shard.GetProperty("role").GetString());
        Assert.Equal(["a", "b", "c"], shard.GetProperty("members").EnumerateArray().Select(member => member.GetString()));
        Assert.True(shard.GetProperty("term").GetInt64() > 0);
        Assert.True(shard.GetProperty("applied").GetInt64() is > 0 and var applied && applied <= shard.GetProperty("head").GetInt64());
        Assert.Equal("Healthy", await Cluster.Http.GetStringAsync(Cluster.At(leader, "/health")));
    }

    [ExternalFact("chromium")]
    public async Task The_page_shows_the_cluster_and_its_changes()
    {
        using Browser browser = await Browser.OpenAsync(Cluster.At(0, "/"));
        await browser.UntilAsync("document.getElementById('node').textContent == 'a'");
        await browser.UntilAsync("/^0[abc]\\d+a b c(leader|follower)\\d+\\d+\\d+$/.test(document.querySelector('#shards tr')?.textContent)");
        // It watches by now or soon: each write is a change that it shows.
        using var stop = new CancellationTokenSource();
        Task writing = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested) await Cluster.PutAsync(1, "shown", "12345");
        });
        await browser.UntilAsync("/^modifiedshown\\d+5$/.test(document.querySelector('#changes tr')?.textContent)");
        await stop.CancelAsync();
        await writing;
    }

    private async Task AssertRefusedAsync(HttpMethod method, string path, long version)
    {
        (HttpStatusCode status, JsonElement answer) = await SendAsync(method, 2, path, method == HttpMethod.Put ? "x" : null);
        Assert.Equal((HttpStatusCode.Conflict, version), (status, answer.GetProperty("version").GetInt64()));
    }

    private async Task<(HttpStatusCode Status, JsonElement Answer)> SendAsync(HttpMethod method, int node, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, Cluster.At(node, path)) { Content = body is null ? null : new StringContent(body) };
        using HttpResponseMessage response = await Cluster.Http.SendAsync(request);
        return (response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>());
    }

    private async Task<(string Key, long Version, byte[] Value)[]> RecordsAsync(int node, string query) =>
    [
        .. (await Cluster.ScanAsync(node, query)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)
            .Select(record => (record.GetProperty("key").GetString()!, record.GetProperty("version").GetInt64(), record.GetProperty("value").GetBytesFromBase64())),
    ];

    private async IAsyncEnumerable<SseItem<string>> WatchAsync(int node, string? after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Cluster.At(node, "/watch?prefix=watched/"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        if (after is not null) request.Headers.TryAddWithoutValidation("Last-Event-ID", after);
        using HttpResponseMessage response = await Cluster.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
        response.EnsureSuccessStatusCode();
        await foreach (SseItem<string> item in SseParser.Create(await response.Content.ReadAsStreamAsync(cancellation)).EnumerateAsync(cancellation)) yield return item;
    }

    private static async Task<SseItem<string>> NextAsync(IAsyncEnumerator<SseItem<string>> events)
    {
        Assert.True(await events.MoveNextAsync());
        return events.Current;
    }

    private static void AssertChange(SseItem<string> item, string kind, string key, string? value)
    {
        JsonElement change = JsonDocument.Parse(item.Data).RootElement;
        string? found = change.GetProperty("value") is { ValueKind: JsonValueKind.String } text ? Encoding.UTF8.GetString(text.GetBytesFromBase64()) : null;
        Assert.Equal((kind, key), (item.EventType, change.GetProperty("key").GetString()));
        if (found is not null || value is null) Assert.Equal(value, found);   // Of a version that is no longer the current one no value is told.
    }

    /// <summary>The three processes that all these tests ask.</summary>
    public sealed class Running : IAsyncLifetime
    {
        internal ServiceCluster Cluster { get; private set; } = null!;

        async Task IAsyncLifetime.InitializeAsync() => Cluster = await ServiceCluster.StartAsync();

        Task IAsyncLifetime.DisposeAsync()
        {
            Cluster.Dispose();
            return Task.CompletedTask;
        }
    }
}
