using System.Collections.Concurrent;

using Tidemark.Core.Replication;
using Tidemark.Replication.Transport;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Remote;

/// <summary>Asks one after the other until somebody does what is asked: for each shard first the one who did last.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
internal abstract class StoreCalls(TimeProvider time, TimeSpan operationTimeout, TimeSpan answerPatience) : IShardReads
{
    private const long NoShard = DescribeRequest.NoShard;

    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentDictionary<long, int> _turns = new();   // Of each shard: whose turn it is.

    /// <summary>Whether nothing is asked any more.</summary>
    protected abstract bool IsClosed { get; }

    /// <summary>How many there are to ask. As many refusals one after the other say that none of them keeps a shard.</summary>
    protected abstract int Width { get; }

    /// <summary>How long one that is asked may try: less than is waited for it, so that its answer is there in time.</summary>
    protected TimeSpan Patience => answerPatience * 0.75;

    public async Task<TBody> ReadAsync<TBody>(StoreRequest<TBody> request, CancellationToken cancellationToken)
        where TBody : StoreBody => request.BodyOf(await AskAsync(request, isRepeatable: true, isPatient: false, cancellationToken).ConfigureAwait(false));

    public async Task<TBody?> WatchAsync<TBody>(StoreRequest<TBody> request, CancellationToken cancellationToken)
        where TBody : StoreBody
    {
        try
        {
            return request.BodyOf(await AskAsync(request, isRepeatable: true, isPatient: true, cancellationToken).ConfigureAwait(false));
        }
        catch (ObjectDisposedException) when (IsClosed)
        {
            return null;
        }
    }

    /// <summary>Asks whoever takes it, from the one on whose turn it is.</summary>
    /// <param name="request">What.</param>
    /// <param name="turn">Whose turn it is.</param>
    /// <param name="isPatient">Whether it is part of a watch.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The answer, or none in time; and whose turn it was.</returns>
    /// <exception cref="ObjectDisposedException">Nothing is asked any more.</exception>
    protected abstract Task<(StoreAnswer? Answer, int Turn)> TryAsync(StoreRequest request, int turn, bool isPatient, CancellationToken cancellationToken);

    /// <summary>Sends to the first of some nodes, from the one on whose turn it is, that takes it, and waits.</summary>
    /// <returns>Its answer, or none in time, and whose turn it was; null where none takes it.</returns>
    protected async Task<(StoreAnswer? Answer, int Turn)?> SendAsync(
        RequestDesk<StoreAnswer> desk, IReadOnlyList<int> nodes, Guid cluster, StoreRequest request, int turn, CancellationToken cancellationToken)
    {
        var answered = new TaskCompletionSource<StoreAnswer?>(TaskCreationOptions.RunContinuationsAsynchronously);
        for (int taker = turn; taker < turn + nodes.Count; taker++)
        {
            if (!desk.TryAsk(nodes[taker % nodes.Count], id => StoreRequestCodec.Write(id, cluster, Patience, request), answered.SetResult)) continue;
            return (await answered.Task.WaitAsync(cancellationToken).ConfigureAwait(false), taker);
        }

        return null;
    }

    protected static StoreAnswer Unavailable(string why) => new(RequestOutcome.Unavailable, ShardStatus.Nobody, why, null);

    /// <summary>Asks again and again.</summary>
    /// <param name="request">What.</param>
    /// <param name="isRepeatable">Whether what was not answered may be asked again.</param>
    /// <param name="isPatient">Whether it is tried for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="isOver">Whether it is no longer to be tried.</param>
    protected async Task<StoreAnswer> AskAsync(StoreRequest request, bool isRepeatable, bool isPatient, CancellationToken cancellationToken, Func<bool>? isOver = null)
    {
        long began = time.GetTimestamp();
        for (int refusals = 0; ;)
        {
            int due = _turns.GetOrAdd(request.Shard, static (_, turns) => turns.GetValueOrDefault(NoShard), _turns);
            (StoreAnswer? answer, int turn) = await TryAsync(request, due, isPatient, cancellationToken).ConfigureAwait(false);
            if (answer is { Outcome: RequestOutcome.Done or RequestOutcome.SessionIsOver } done)
            {
                _turns.TryUpdate(request.Shard, turn, due);
                return done;
            }

            if (answer is null && !isRepeatable) throw new OutcomeUnknownException($"No answer came within {answerPatience}. Whether the write happened shows when its record is read.");
            StoreAnswer refusal = answer ?? Unavailable($"No answer came within {answerPatience}.");
            bool isTriedAgain = refusal.Outcome is RequestOutcome.Unavailable or RequestOutcome.NotKept
                || (refusal.Outcome == RequestOutcome.Unknown && isRepeatable) || (refusal.Outcome == RequestOutcome.Overloaded && isPatient);
            bool isLate = !isPatient && time.GetElapsedTime(began) >= operationTimeout;
            if (!isTriedAgain) throw ErrorOf(request, refusal, refusal.Outcome);
            if (isLate || isOver?.Invoke() == true) throw ErrorOf(request, refusal, RequestOutcome.Unavailable);

            _turns.TryUpdate(request.Shard, turn + 1, due);
            refusals = refusal.Outcome == RequestOutcome.NotKept ? refusals + 1 : 0;
            if (refusals % Width == 0) await Task.Delay(_pause, time, cancellationToken).ConfigureAwait(false);   // Who does not keep it has said so at once: the next may.
        }
    }

    private static Exception ErrorOf(StoreRequest request, in StoreAnswer refusal, RequestOutcome outcome)
    {
        string text = refusal.Outcome == RequestOutcome.NotKept ? $"{refusal.Text} Nor does any other that could be asked: a client must be told of a node that does." : refusal.Text;
        return RequestOutcomes.ErrorOf(outcome, text, request.Shard, refusal.Leader);
    }
}
