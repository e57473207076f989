using Microsoft.Extensions.Logging;

using Tidemark.Replication.Transport;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Client;

/// <summary>Asks whichever member answers: the one that did last, else the next.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
internal sealed class MemberCalls : IAsyncDisposable
{
    private const int MostUnderWay = 224;   // Twice that is less than a node allows: of what was given up here something may be under way there still.

    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(20);

    private readonly TidemarkClientOptions _options;
    private readonly ITransport _transport;
    private readonly RequestDesk<StoreAnswer> _desk;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly TimeSpan _patience;   // What a node is given: less than is waited for it, so that its answer is there in time.
    private readonly SemaphoreSlim _operations = new(MostUnderWay), _watches = new(MostUnderWay);
    private volatile bool _isClosed;
    private int _preferred;

    internal MemberCalls(TidemarkClientOptions options, ITransport transport, ILogger logger)
    {
        (_options, _transport, _logger) = (options, transport, logger);
        _desk = new RequestDesk<StoreAnswer>(transport, options.TimeProvider, options.AnswerPatience, run: 0);   // Who starts again is another caller: no late answer comes to it.
        _patience = options.AnswerPatience * 0.75;
        TimeSpan period = options.AnswerPatience / 8;
        _timer = options.TimeProvider.CreateTimer(static desk => ((RequestDesk<StoreAnswer>)desk!).Look(), _desk, period, period);
    }

    /// <summary>The cluster that is asked; empty until it is known.</summary>
    internal Guid Cluster { get; set; }

    /// <summary>Any thread: an answer came.</summary>
    internal void Receive(int from, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            (long id, StoreAnswer answer) = StoreAnswerCodec.Read(bytes);
            _desk.Answered(from, id, answer);
        }
        catch (MalformedDataException e)
        {
            ClientMessages.Malformed(_logger, from, e);
        }
    }

    /// <summary>Asks something that may be asked twice, until it is answered or the time of an operation is over.</summary>
    /// <exception cref="ShardUnavailableException">Nobody could say.</exception>
    internal Task<StoreAnswer> ReadAsync(StoreRequest request, CancellationToken cancellationToken) => AskAsync(request, _operations, isRepeatable: true, isPatient: false, cancellationToken);

    /// <summary>As <see cref="ReadAsync"/>, without an end.</summary>
    internal Task<StoreAnswer> WatchAsync(StoreRequest request, CancellationToken cancellationToken) => AskAsync(request, _watches, isRepeatable: true, isPatient: true, cancellationToken);

    /// <summary>As <see cref="WatchAsync"/>.</summary>
    /// <returns>Null where the client is disposed before there is an answer.</returns>
    internal async ValueTask<StoreAnswer?> WatchUntilClosedAsync(StoreRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await WatchAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectDisposedException) when (_isClosed)
        {
            return null;
        }
    }

    /// <summary>Has something done: once it was sent and not answered, nobody knows.</summary>
    /// <param name="request">What.</param>
    /// <param name="isOver">Whether nobody waits for it any more: then it is not sent once more.</param>
    /// <exception cref="ShardUnavailableException">It surely did not happen.</exception>
    /// <exception cref="OutcomeUnknownException">It was not answered.</exception>
    internal Task<StoreAnswer> WriteAsync(CommandRequest request, Func<bool> isOver) => AskAsync(request, _operations, isRepeatable: false, isPatient: false, CancellationToken.None, isOver);

    public async ValueTask DisposeAsync()
    {
        _isClosed = true;
        await _timer.DisposeAsync().ConfigureAwait(false);
        _desk.Close();
        await _transport.DisposeAsync().ConfigureAwait(false);
    }

    /// <param name="request">What is asked.</param>
    /// <param name="slots">Of how many that are under way it is one.</param>
    /// <param name="isRepeatable">Whether what was not answered may be asked again.</param>
    /// <param name="isPatient">Whether it is tried for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="isOver">Whether it is no longer to be tried.</param>
    private async Task<StoreAnswer> AskAsync(
        StoreRequest request, SemaphoreSlim slots, bool isRepeatable, bool isPatient, CancellationToken cancellationToken, Func<bool>? isOver = null)
    {
        long shard = request switch { CommandRequest command => command.Shard, KeepAliveRequest alive => alive.Shard, _ => -1 };
        long began = _options.TimeProvider.GetTimestamp();
        var last = new StoreAnswer(RequestOutcome.Unavailable, -1, "No member of the cluster could be reached. Are the addresses right, and may this process connect?", default);
        while (true)
        {
            await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            int member = Volatile.Read(ref _preferred);
            Task<StoreAnswer?>? answered;
            try
            {
                ObjectDisposedException.ThrowIf(_isClosed, typeof(TidemarkClient));
                answered = Send(ref member, request);
                if (answered is not null && await answered.WaitAsync(cancellationToken).ConfigureAwait(false) is { } answer)
                {
                    if (answer.Outcome is RequestOutcome.Done or RequestOutcome.SessionIsOver) return answer;
                    bool isTriedAgain = answer.Outcome == RequestOutcome.Unavailable || (answer.Outcome == RequestOutcome.Unknown && isRepeatable) || (answer.Outcome == RequestOutcome.Overloaded && isPatient);
                    if (!isTriedAgain) throw RequestOutcomes.ErrorOf(answer.Outcome, answer.Text, shard, answer.Leader);
                    last = answer;
                }
                else if (answered is not null)
                {
                    if (!isRepeatable) throw new OutcomeUnknownException($"No answer came within {_options.AnswerPatience}. Whether the write happened shows when its record is read.");
                    last = last with { Text = $"No answer came within {_options.AnswerPatience}." };
                }
            }
            finally
            {
                slots.Release();
            }

            Interlocked.CompareExchange(ref _preferred, (member + 1) % _options.Members.Count, member);
            bool isLate = !isPatient && _options.TimeProvider.GetElapsedTime(began) >= _options.OperationTimeout;
            if (isLate || isOver?.Invoke() == true) throw RequestOutcomes.ErrorOf(RequestOutcome.Unavailable, last.Text, shard, last.Leader);
            await Task.Delay(_pause, _options.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Sends to the first member, from the given one on, that takes it.</summary>
    /// <returns>Its answer, or none in time; null where no member takes it.</returns>
    private Task<StoreAnswer?>? Send(ref int member, StoreRequest request)
    {
        var answered = new TaskCompletionSource<StoreAnswer?>(TaskCreationOptions.RunContinuationsAsynchronously);
        for (int tried = 0; tried < _options.Members.Count; tried++, member = (member + 1) % _options.Members.Count)
        {
            if (!_desk.TryAsk(_options.Members[member], id => StoreRequestCodec.Write(id, Cluster, _patience, request), answered.SetResult)) continue;
            Volatile.Write(ref _preferred, member);
            return answered.Task;
        }

        return null;
    }
}

/// <summary>What clients report. Event ids are stable: 430 to 439.</summary>
internal static partial class ClientMessages
{
    [LoggerMessage(430, LogLevel.Warning, "What member {Member} sent is no answer, and was dropped.")]
    internal static partial void Malformed(ILogger logger, int member, Exception cause);
}
