using System.Security.Claims;

using Microsoft.Extensions.Logging;

using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>Answers what others ask of the store: processes that are no members, or members. It keeps nothing of them but the requests under way, and those are counted.</summary>
/// <param name="operations">Does what is asked.</param>
/// <param name="rights">What is asked must be allowed by them; null where all is: of members, which have looked at whoever asked them.</param>
/// <param name="limits">How much may be under way.</param>
/// <param name="cluster">The cluster's id.</param>
/// <param name="transport">Over which it is asked.</param>
/// <param name="time">Clock.</param>
/// <param name="logger">Where to report.</param>
/// <param name="stopping">Ends what is under way.</param>
internal sealed class StoreService(StoreOperations operations, CallerRights? rights, CallerLimits limits, Guid cluster, ITransport transport, TimeProvider time, ILogger logger, CancellationToken stopping)
{
    private static readonly TimeSpan _longestPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _reportInterval = TimeSpan.FromSeconds(1);

    private readonly CallerAccounts _accounts = new(limits);
    private long _reportedAt = time.GetTimestamp() - (long)(_reportInterval.TotalSeconds * time.TimestampFrequency);

    /// <summary>Any thread: a request came.</summary>
    internal void Take(int from, ReadOnlyMemory<byte> bytes)
    {
        StoreRequestHead head;
        try
        {
            head = StoreRequestCodec.ReadHead(bytes.Span);
        }
        catch (MalformedDataException e)
        {
            Report(e);
            return;
        }

        if (!_accounts.TryBegin(from, bytes.Length))
        {
            Answer(from, head.Id, RequestOutcome.Overloaded, "Too much is under way for this client, or for all. Await earlier requests.");
            return;
        }

        ClaimsPrincipal? principal = rights is null ? null : transport.PrincipalOf(from);   // Now: while its message is received it is who sent it.
        _ = Task.Run(() => ServeAsync(from, head, bytes, principal), CancellationToken.None);
    }

    private async Task ServeAsync(int from, StoreRequestHead head, ReadOnlyMemory<byte> bytes, ClaimsPrincipal? principal)
    {
        try
        {
            if (head.Cluster != cluster && head.Cluster != Guid.Empty)
            {
                Answer(from, head.Id, RequestOutcome.Unavailable, $"The node that was asked is of cluster {cluster}, not {head.Cluster}.");
                return;
            }

            using var deadline = new Deadline(head.Patience < _longestPatience ? head.Patience : _longestPatience, time, stopping);
            StoreRequest request = StoreRequestCodec.Read(bytes);
            if (rights is not null) request = rights.Check(request, principal);
            Send(from, head.Id, await operations.RunAsync(request, head.Patience, deadline.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            Answer(from, head.Id, RequestOutcome.Unavailable, "The node did not come to an answer in time, or ends.");   // Commands are not cancelled.
        }
        catch (MalformedDataException e)
        {
            Report(e);
            Answer(from, head.Id, RequestOutcome.Refused, e.Message);
        }
        catch (Exception e) when (e is TidemarkException or ArgumentException or ObjectDisposedException)
        {
            int leader = e is ShardUnavailableException { Leader: var known } ? known : ShardStatus.Nobody;
            Send(from, head.Id, new StoreAnswer(RequestOutcomes.Of(e), leader, e.Message, null));
        }
        catch (Exception e)
        {
            StoreServiceMessages.Failed(logger, e);   // Whoever asked learns no more than that: it may be a part of the host's that threw.
            Answer(from, head.Id, head.Kind == StoreRequestKind.Command ? RequestOutcome.Unknown : RequestOutcome.Failed, $"The node failed: {e.GetType().Name}. Its log says more.");
        }
        finally
        {
            _accounts.End(from, bytes.Length);
        }
    }

    private void Answer(int to, long id, RequestOutcome outcome, string text) => Send(to, id, new StoreAnswer(outcome, ShardStatus.Nobody, text, null));

    private void Send(int to, long id, in StoreAnswer answer)
    {
        try
        {
            transport.TrySend(to, StoreAnswerCodec.Write(id, answer));
        }
        catch (ObjectDisposedException)
        {
            // The run is over; whoever asked learns nothing, and asks elsewhere.
        }
    }

    private void Report(MalformedDataException what)
    {
        long reported = Volatile.Read(ref _reportedAt);
        if (time.GetElapsedTime(reported) < _reportInterval || Interlocked.CompareExchange(ref _reportedAt, time.GetTimestamp(), reported) != reported) return;
        StoreServiceMessages.Malformed(logger, what);
    }
}

/// <summary>What is reported of callers. Event ids are stable: 420 to 429.</summary>
internal static partial class StoreServiceMessages
{
    [LoggerMessage(420, LogLevel.Warning, "What was sent to the store, by a member or who is none, is no request. Such reports are made once a second at most.")]
    internal static partial void Malformed(ILogger logger, Exception cause);

    [LoggerMessage(421, LogLevel.Error, "A request of a client has failed in a way that nobody expected.")]
    internal static partial void Failed(ILogger logger, Exception cause);
}
