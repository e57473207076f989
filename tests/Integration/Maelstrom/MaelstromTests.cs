using System.Text.Json.Nodes;

namespace Tidemark.Integration;

/// <summary>The sample as Maelstrom runs it: processes, lines of JSON, and nothing between the nodes but a network that loses, delays and parts.</summary>
public sealed class MaelstromTests
{
    [Fact]
    public async Task Init_and_echo_are_answered_and_the_end_of_the_input_ends_the_process()
    {
        await using var cluster = new MaelstromCluster(1);
        cluster.Start(0);
        await ErrorAsync(cluster, 11, """{"type":"read","key":1}""");   // There is no node behind it yet.
        await ErrorAsync(cluster, 12, """{"type":"init","node_id":"n9","node_ids":["n0"]}""");
        await ErrorAsync(cluster, 12, """{"type":"init","node_id":"n0","node_ids":"n0"}""");
        await cluster.InitAsync(0);
        await ErrorAsync(cluster, 12, """{"type":"init","node_id":"n0","node_ids":["n0"]}""");
        await OkAsync(cluster, """{"type":"echo","echo":{"a":[1,2.0,null],"b":"ü+ \" \n"}}""", """{"type":"echo_ok","echo":{"a":[1,2.0,null],"b":"ü+ \" \n"}}""");
        await cluster.WriteAsync(0);
        Assert.True(await cluster.EndAsync(0) == 0, cluster.Log);
        Assert.Empty(cluster.Network.Faults);
    }

    [Fact]
    public async Task Requests_are_answered_as_the_workload_has_it()
    {
        await using MaelstromCluster cluster = await MaelstromCluster.StartAsync(3);
        await ErrorAsync(cluster, 20, """{"type":"read","key":1}""");
        await ErrorAsync(cluster, 20, """{"type":"cas","key":1,"from":1,"to":2}""");
        await OkAsync(cluster, """{"type":"write","key":1,"value":5}""", """{"type":"write_ok"}""");
        await OkAsync(cluster, """{"type":"read","key":1}""", """{"type":"read_ok","value":5}""");
        await OkAsync(cluster, """{"type":"cas","key":1,"from":5,"to":6}""", """{"type":"cas_ok"}""");
        await ErrorAsync(cluster, 22, """{"type":"cas","key":1,"from":5,"to":7}""");
        await ErrorAsync(cluster, 22, """{"type":"cas","key":1,"from":5,"to":7,"create_if_not_exists":true}""");
        await OkAsync(cluster, """{"type":"read","key":1}""", """{"type":"read_ok","value":6}""");
        await OkAsync(cluster, """{"type":"cas","key":2,"from":0,"to":1,"create_if_not_exists":true}""", """{"type":"cas_ok"}""");

        // Any JSON, compared by what it says and not by how it is written.
        await OkAsync(cluster, """{"type":"write","key":{"a":1,"b":[2]},"value":{"x":null,"y":"A\/"}}""", """{"type":"write_ok"}""");
        await OkAsync(cluster, """{"type":"cas","key":{"b":[2],"a":1},"from":{"y":"\u0041/","x":null},"to":null}""", """{"type":"cas_ok"}""");
        await OkAsync(cluster, """{"type":"read","key":{"a":1, "b":[ 2 ]}}""", """{"type":"read_ok","value":null}""");
        await ErrorAsync(cluster, 20, """{"type":"read","key":"1"}""");   // Text is no number.

        await ErrorAsync(cluster, 10, """{"type":"txn","txn":[]}""");
        await ErrorAsync(cluster, 12, """{"key":1}""");
        await ErrorAsync(cluster, 12, """{"type":7}""");
        await ErrorAsync(cluster, 12, """{"type":"read"}""");
        await ErrorAsync(cluster, 12, """{"type":"write","key":1}""");
        await ErrorAsync(cluster, 12, """{"type":"cas","key":1,"from":6}""");
        await ErrorAsync(cluster, 12, """{"type":"write","key":"\ud800","value":1}""");
        await ErrorAsync(cluster, 12, $$"""{"type":"write","key":"{{new string('k', 1000)}}","value":1}""");

        // What cannot be answered is passed over, also from peers.
        foreach (string line in (string[])["", "}", "[]", "null", """{"src":"c1"}""", """{"src":"c1","dest":"n0","body":[]}""", """{"src":"c1","dest":"n0","body":{"type":"read","key":1}}""",
            """{"src":"c1","dest":"n0","body":{"type":"a","type":"b","msg_id":1}}""", """{"src":"n9","dest":"n0","body":{"type":"tidemark","data":"AAAA"}}""",
            """{"src":"n1","dest":"n0","body":{"type":"tidemark","data":"%"}}""", """{"src":"n1","dest":"n0","body":{"type":"tidemark","data":"AAAA"}}""",
            """{"src":"lin-kv","dest":"n0","body":{"type":"cas_ok","in_reply_to":1}}"""])
            cluster.Network.Write("n0", line);
        await OkAsync(cluster, """{"type":"read","key":1}""", """{"type":"read_ok","value":6}""");
        Assert.Empty(cluster.Network.Faults);
    }

    /// <summary>A node that reaches nobody cannot know; what it does say must hold.</summary>
    [Fact]
    public async Task What_clients_are_told_is_linearizable_whatever_the_network_does_and_writes_go_on()
    {
        await using MaelstromCluster cluster = await MaelstromCluster.StartAsync(3);
        var weather = new Weather(cluster.Network);
        var load = new RegisterLoad(cluster, clientsPerNode: 2);
        try
        {
            await load.ProgressAsync(30);
            for (int node = 0; node < 2; node++)
            {
                weather.CutOff(MaelstromCluster.Name(node));
                await load.ProgressAsync(30);
                weather.Heal();
                await load.ProgressAsync(10);
            }

            await cluster.KillAsync(2);
            await load.ProgressAsync(30);
            cluster.Start(2);
            await cluster.InitAsync(2);
            await load.ProgressAsync(10);
            weather.CutOff("n0", "n1", "n2");
            await load.FailuresAsync(3);
        }
        finally
        {
            weather.Heal();
            await load.StopAsync();
        }

        weather.Calm();
        for (int node = 0; node < 3; node++) await cluster.WriteAsync(node);
        await load.ReadAllAsync();
        load.Check();
        Assert.True(weather.Lost > 0 && weather.Parted > 0, "nothing went wrong, so nothing was tried");
        Assert.Empty(cluster.Network.Faults);
    }

    [Fact]
    public async Task Logs_keep_what_was_acknowledged_where_it_was_said_to_be_whatever_the_network_does()
    {
        await using MaelstromCluster cluster = await MaelstromCluster.StartAsync(3);
        await OkAsync(cluster, """{"type":"poll","offsets":{"x":0}}""", """{"type":"poll_ok","msgs":{"x":[]}}""");
        await OkAsync(cluster, """{"type":"list_committed_offsets","keys":["x"]}""", """{"type":"list_committed_offsets_ok","offsets":{}}""");
        await OkAsync(cluster, """{"type":"commit_offsets","offsets":{"x":7}}""", """{"type":"commit_offsets_ok"}""");
        await OkAsync(cluster, """{"type":"commit_offsets","offsets":{"x":5}}""", """{"type":"commit_offsets_ok"}""");
        await OkAsync(cluster, """{"type":"list_committed_offsets","keys":["x","y"]}""", """{"type":"list_committed_offsets_ok","offsets":{"x":7}}""");
        await ErrorAsync(cluster, 12, """{"type":"poll","offsets":{"x":-1}}""");
        await ErrorAsync(cluster, 12, """{"type":"send","key":"x"}""");

        var weather = new Weather(cluster.Network);
        var load = new LogLoad(cluster);
        await load.ProgressAsync(30);
        weather.CutOff(MaelstromCluster.Name(0));
        await load.ProgressAsync(30);
        weather.Heal();
        await cluster.KillAsync(2);
        await load.ProgressAsync(30);
        cluster.Start(2);
        await cluster.InitAsync(2);
        await load.ProgressAsync(10);
        weather.Calm();
        for (int node = 0; node < 3; node++) await cluster.WriteAsync(node);
        await load.StopAndCheckAsync();
        Assert.Empty(cluster.Network.Faults);
    }

    private static async Task OkAsync(MaelstromCluster cluster, string request, string expected)
    {
        JsonObject answer = await AskAsync(cluster, request);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), answer), $"{request}\nwas answered {answer.ToJsonString()}\n{cluster.Log}");
    }

    private static async Task ErrorAsync(MaelstromCluster cluster, int code, string request)
    {
        JsonObject answer = await AskAsync(cluster, request);
        Assert.True((string?)answer["type"] == "error" && (int?)answer["code"] == code, $"{request}\nwas answered {answer.ToJsonString()}, not error {code}\n{cluster.Log}");
    }

    private static async Task<JsonObject> AskAsync(MaelstromCluster cluster, string request)
    {
        JsonObject answer = await cluster.AskAsync(0, request);
        answer.Remove("in_reply_to");
        return answer;
    }
}
