using System.Buffers;
using System.Collections.Concurrent;

using Tidemark.Core.Replication;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Transport;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>Answers what other nodes ask of the shards that are led here, or kept.</summary>
/// <param name="node">This node.</param>
/// <param name="transport">Over which it is asked.</param>
/// <param name="desk">What was asked from here.</param>
/// <param name="proposals">Makes commands.</param>
/// <param name="archiver">Copies shards; null where the node has no archive.</param>
internal sealed class RouteService(NodeHost node, ITransport transport, RequestDesk<RouteAnswer> desk, ProposalPool proposals, NodeArchiver? archiver)
{
    private readonly ConcurrentDictionary<int, SeenRequests> _seen = new();

    /// <summary>Any thread: a request came, or an answer.</summary>
    internal void Take(int from, ReadOnlyMemory<byte> bytes)
    {
        (RouteRequest? Request, RouteAnswer? Answer) message;
        try
        {
            message = RouteMessageCodec.Read(bytes);
        }
        catch (MalformedDataException e)
        {
            node.Report(from, e);
            return;
        }

        if (message.Answer is { } answer) desk.Answered(from, answer.Id, answer);
        else if (message.Request is { } request) Serve(from, request);
    }

    private void Serve(int from, RouteRequest request)
    {
        if (request.Kind == RouteKind.Archived)
        {
            TakeNews(from, request);
            return;
        }

        if (!node.Replicas.TryGetValue(request.Shard, out ReplicaHost? replica))
        {
            Answer(from, request, RequestOutcome.Unavailable, ShardStatus.Nobody, $"Node {node.Node} does not keep shard {request.Shard}.");
            return;
        }

        switch (request.Kind)
        {
            case RouteKind.Command when !_seen.GetOrAdd(from, static _ => new SeenRequests()).TryAdd(request.Id):
                break;   // The transport doubled it.
            case RouteKind.Command:
                _ = CommandAsync(from, request, replica.Host);
                break;
            case RouteKind.Read:
                replica.Host.Read((refusal, at) =>
                {
                    if (refusal is null) Send(from, new RouteAnswer(request.Shard, request.Id, RequestOutcome.Done, node.Node, "", at, default));
                    else Answer(from, request, refusal);
                }, request.Staleness);
                break;
            case RouteKind.KeepAlive when request.Payload.Length == 16:
                replica.Host.KeepAlive(new Guid(request.Payload.Span, bigEndian: true), (isAlive, unknown) =>
                {
                    if (unknown is null) Answer(from, request, isAlive ? RequestOutcome.Done : RequestOutcome.SessionIsOver, node.Node, "");
                    else Answer(from, request, unknown);
                });
                break;
            case RouteKind.Copy:
                _ = CopyAsync(from, request);
                break;
            default:
                Answer(from, request, RequestOutcome.Failed, node.Node, "The request is malformed.");
                break;
        }
    }

    private void TakeNews(int from, RouteRequest request)
    {
        try
        {
            archiver?.Tell(ArchivedNews.Read(request.Payload.Span));
        }
        catch (MalformedDataException e)
        {
            node.Report(from, e);
        }
    }

    private async Task CopyAsync(int from, RouteRequest request)
    {
        try
        {
            if (archiver is null) throw new StoreFailedException("it has no archive, which all nodes need to have that keep shards");
            CopyAnswer copy = await archiver.CopyAsync(request.Shard, CopyDemand.Read(request.Payload.Span)).ConfigureAwait(false);
            Send(from, new RouteAnswer(request.Shard, request.Id, RequestOutcome.Done, node.Node, "", copy.End, copy.ToBytes()));
        }
        catch (Exception e)
        {
            Answer(from, request, e);
        }
    }

    private async Task CommandAsync(int from, RouteRequest request, ShardHost host)
    {
        Proposal proposal = proposals.Rent(request.Command);
        proposal.Payload.Write(request.Payload.Span);
        ValueTask done = proposal.Completion(CancellationToken.None);
        try
        {
            host.Submit(proposal);
            await done.ConfigureAwait(false);
            Send(from, new RouteAnswer(request.Shard, request.Id, RequestOutcome.Done, node.Node, "", proposal.Position, proposal.Answer.WrittenMemory));
        }
        catch (Exception e)
        {
            Answer(from, request, e);
        }
        finally
        {
            proposal.LetGo();
        }
    }

    private void Answer(int from, RouteRequest request, Exception failure)
    {
        Answer(from, request, RequestOutcomes.Of(failure), failure is ShardUnavailableException { Leader: var leader } ? leader : ShardStatus.Nobody, failure.Message);
    }

    private void Answer(int from, RouteRequest request, RequestOutcome outcome, int leader, string text) =>
        Send(from, new RouteAnswer(request.Shard, request.Id, outcome, leader, text, default, default));

    private void Send(int to, in RouteAnswer answer)
    {
        var output = new ArrayBufferWriter<byte>(answer.Bytes.Length + 128);
        RouteMessageCodec.Write(output, answer);
        try
        {
            transport.TrySend(to, output.WrittenMemory);
        }
        catch (ObjectDisposedException)
        {
            // The run is over; whoever asked learns nothing, and asks elsewhere.
        }
    }
}
