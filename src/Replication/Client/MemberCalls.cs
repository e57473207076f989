using System.Buffers;

using Microsoft.Extensions.Logging;

using Tidemark.Replication.Remote;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Transport;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Client;

/// <summary>Asks the members that a client was told of.</summary>
/// <remarks>Safe for concurrent calls. Where a shard is kept it finds out by asking: who does not keep it says so at once.</remarks>
internal sealed class MemberCalls : StoreCalls, IAsyncDisposable
{
    private const int MostOperations = 224, MostWatches = 768;   // Twice both is less than a node allows: of what was given up here something may be under way there still.

    private readonly IReadOnlyList<int> _members;
    private readonly ITransport _transport;
    private readonly RequestDesk<StoreAnswer> _desk;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly SemaphoreSlim _operations = new(MostOperations), _watches = new(MostWatches);
    private volatile bool _isClosed;

    internal MemberCalls(TidemarkClientOptions options, ITransport transport, ILogger logger)
        : base(options.TimeProvider, options.OperationTimeout, options.AnswerPatience)
    {
        (_members, _transport, _logger) = (options.Members, transport, logger);
        _desk = new RequestDesk<StoreAnswer>(transport, options.TimeProvider, options.AnswerPatience, run: 0);   // Who starts again is another caller: no late answer comes to it.
        TimeSpan period = options.AnswerPatience / 8;
        _timer = options.TimeProvider.CreateTimer(static desk => ((RequestDesk<StoreAnswer>)desk!).Look(), _desk, period, period);
    }

    /// <summary>The cluster that is asked; empty until it is known.</summary>
    internal Guid Cluster { get; set; }

    protected override bool IsClosed => _isClosed;

    protected override int Width => _members.Count;

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

    /// <summary>Has a command done, and finishes it: once it was sent and not answered, nobody knows. Where nobody waits for it any more it is not sent once more.</summary>
    internal async Task SubmitAsync(long shard, Proposal proposal)
    {
        Exception? failure = null;
        try
        {
            var request = new CommandRequest(shard, proposal.Kind, proposal.Payload.WrittenMemory);
            StoreAnswer answer = await AskAsync(request, isRepeatable: false, isPatient: false, CancellationToken.None, () => proposal.IsOver).ConfigureAwait(false);
            proposal.Answer.Write(request.BodyOf(answer).Bytes.Span);
        }
        catch (Exception e)
        {
            failure = e;
        }

        proposal.Finish(failure);
    }

    /// <summary>Asks to keep a session alive.</summary>
    /// <returns>Whether it lives.</returns>
    /// <exception cref="ShardUnavailableException">That cannot be known.</exception>
    internal async Task<bool> KeepAliveAsync(KeepAliveRequest request) =>
        (await AskAsync(request, isRepeatable: true, isPatient: false, CancellationToken.None).ConfigureAwait(false)).Outcome == RequestOutcome.Done;

    public async ValueTask DisposeAsync()
    {
        _isClosed = true;
        await _timer.DisposeAsync().ConfigureAwait(false);
        _desk.Close();
        await _transport.DisposeAsync().ConfigureAwait(false);
    }

    protected override async Task<(StoreAnswer? Answer, int Turn)> TryAsync(StoreRequest request, int turn, bool isPatient, CancellationToken cancellationToken)
    {
        SemaphoreSlim slots = isPatient ? _watches : _operations;
        await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(TidemarkClient));
            return await SendAsync(_desk, _members, Cluster, request, turn, cancellationToken).ConfigureAwait(false)
                ?? (Unavailable("No member of the cluster could be reached. Are the addresses right, and may this process connect?"), turn);
        }
        finally
        {
            slots.Release();
        }
    }
}

/// <summary>What clients report. Event ids are stable: 430 to 439.</summary>
internal static partial class ClientMessages
{
    [LoggerMessage(430, LogLevel.Warning, "What member {Member} sent is no answer, and was dropped.")]
    internal static partial void Malformed(ILogger logger, int member, Exception cause);
}
