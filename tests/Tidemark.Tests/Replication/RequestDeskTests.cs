using System.Buffers;

using Tidemark.Replication.Transport;
using Tidemark.Replication.Wire;
using Tidemark.Testing;

namespace Tidemark.Tests.Replication;

/// <summary>Requests to leaders elsewhere, and which answers are theirs.</summary>
public sealed class RequestDeskTests
{
    /// <summary>
    /// A node asked for a write, and died; started again it asked for others, and each run counted its requests from 1. Then the leader's answer to the first run came, and was taken for the answer to
    /// another write, which was acknowledged and may never have happened. Now the run is part of the id.
    /// </summary>
    [Fact]
    public async Task An_answer_to_an_earlier_run_of_the_node_is_not_taken_for_one_to_this()
    {
        var network = new MemoryNetwork();
        await using ITransport here = network.CreateTransport(0), leader = network.CreateTransport(1);
        var asked = new List<long>();
        await leader.StartAsync((_, bytes) => asked.Add(RouteMessageCodec.Read(bytes).Request!.Value.Id));
        var answers = new List<RouteAnswer?>();
        RequestDesk<RouteAnswer>[] runs = [.. Enumerable.Range(1, 2).Select(run => new RequestDesk<RouteAnswer>(here, new ManualTimeProvider(), TimeSpan.FromSeconds(2), run))];
        foreach (RequestDesk<RouteAnswer> run in runs) Assert.True(run.TryAsk(1, Request, answers.Add));

        runs[1].Answered(1, asked[0], Done(asked[0]));
        Assert.Empty(answers);
        runs[1].Answered(1, asked[1], Done(asked[1]));
        Assert.Equal(asked[1], Assert.Single(answers)!.Value.Id);
    }

    private static ReadOnlyMemory<byte> Request(long id)
    {
        var bytes = new ArrayBufferWriter<byte>();
        RouteMessageCodec.Write(bytes, new RouteRequest(RouteKind.Command, 0, id, 1, default, default));
        return bytes.WrittenMemory;
    }

    private static RouteAnswer Done(long id) => new(0, id, RequestOutcome.Done, 1, "", default, default);
}
