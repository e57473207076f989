using System.Buffers;
using System.Runtime.CompilerServices;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Core.Topics;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Topics;

/// <summary>A partition in this process: what is appended goes through its host, what is read comes from its log.</summary>
internal sealed class LocalPartition : TopicPartition, IDisposable
{
    private readonly TopicMachine _machine;
    private readonly ProposalPool _proposals;
    private readonly TimeProvider _time;
    private readonly LogEngine _log;
    private readonly FilePool _pool;
    private readonly MessageReaders _readers;
    private readonly Lock _gate = new();
    private TaskCompletionSource? _changed;   // Completed when there is more to read; null while nobody waits.
    private long _logStart;
    private volatile bool _isClosed;

    internal LocalPartition(int number, TopicMachine machine, LogEngine log, FilePool pool, ProposalPool proposals, TimeProvider time)
    {
        (Number, _machine, _log, _pool, _proposals, _time) = (number, machine, log, pool, proposals, time);
        _readers = new MessageReaders(log, pool, () => Host.Wake?.Invoke(), number);
    }

    internal override int Number { get; }

    internal ShardHost Host { get; set; } = null!;   // Set right after: the host is made with the machine's hooks.

    /// <summary>How it is, as far as readers see.</summary>
    internal PartitionInfo Info
    {
        get
        {
            TopicBounds bounds = _machine.Bounds;
            return new PartitionInfo(Number, bounds.Start, bounds.End, bounds.Timestamp);
        }
    }

    /// <summary>The host's thread: shows readers what was applied.</summary>
    internal void Publish()
    {
        _machine.Publish();
        if (_logStart != _machine.LogStart)
        {
            _logStart = _machine.LogStart;
            _readers.Clear();
        }

        Signal();
    }

    internal ILeaderRole CreateLeader(IStateMachine machine, DateTimeOffset now) =>
        new TopicLeader(_machine, new PartitionLog(_log, _pool, _readers, () => _machine.Position.Offset), now);

    /// <summary>Has the partition follow other settings from now on. The length of segments is another once it is opened again.</summary>
    internal async ValueTask ConfigureAsync(TopicOptions options, CancellationToken cancellationToken)
    {
        Host.Post(_ => _log.MaxSegmentAge = options.EffectiveSegmentAge);
        var wanted = TopicSettings.Of(options);
        if (_machine.Settings == wanted) return;
        await CommandAsync(TopicCommand.Configure, wanted.Write, cancellationToken).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal override async ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, ProducerTicket? ticket, long? expectedOffset, CancellationToken cancellationToken)
    {
        Proposal proposal = _proposals.Rent((ushort)TopicCommand.Append);
        try
        {
            var head = new BatchHead(0, expectedOffset, ticket?.Producer, ticket?.Sequence ?? 0, 0, messages.Count);
            BatchCodec.Write(proposal.Payload, head, messages, _time.GetUtcNow());
            await SubmitAsync(proposal, cancellationToken).ConfigureAwait(false);
            return ToResult(TopicAnswer.Read(proposal.Answer.WrittenSpan));
        }
        finally
        {
            proposal.LetGo();
        }
    }

    internal override async ValueTask RegisterAsync(Guid producer, CancellationToken cancellationToken)
    {
        StoreStatus status = await CommandAsync(TopicCommand.RegisterProducer, output => CommandWriter.WriteIdAlone(output, producer), cancellationToken).ConfigureAwait(false);
        if (status != StoreStatus.Ok) throw Refused(status);
    }

    internal override async ValueTask ForgetAsync(Guid producer, CancellationToken cancellationToken) =>
        await CommandAsync(TopicCommand.ForgetProducers, output => CommandWriter.WriteForgetClient(output, producer), cancellationToken).ConfigureAwait(false);

    internal override ValueTask<TopicPage> ReadAsync(TopicPosition from, TopicReadOptions options, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        while (true)
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
            TopicBounds bounds = _machine.Bounds;
            try
            {
                return new ValueTask<TopicPage>(Read(Resolve(from, options, bounds), options, bounds));
            }
            catch (Exception e) when (_machine.Bounds.LogStart != bounds.LogStart && e is OffsetOutOfRangeException or CorruptDataException or IOException)
            {
                // What was being read is gone meanwhile: whether its place is still there shows when it is looked for again.
            }
            catch (Exception) when (_isClosed)
            {
                // So does that.
            }
        }
    }

    internal override async ValueTask WaitAsync(long offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            lock (_gate) changed = (_changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
            if (_machine.Bounds.End > offset) return;
            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    internal override ValueTask<PartitionInfo> DescribeAsync(ReadLevel level, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
        return new ValueTask<PartitionInfo>(Info);
    }

    internal override async ValueTask TrimAsync(long before, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
        TopicBounds bounds = _machine.Bounds;
        if (before > bounds.End) throw new OffsetOutOfRangeException(before, bounds.Start, bounds.End);
        if (before <= bounds.Start) return;
        long entry = before == bounds.End ? bounds.Applied : _readers.EntryOf(before, bounds);
        byte[] command = TopicCommands.Numbers([before, entry]);
        await CommandAsync(TopicCommand.Trim, output => output.Write(command), cancellationToken).ConfigureAwait(false);
    }

    internal override async ValueTask ReleaseAsync(long before, CancellationToken cancellationToken)
    {
        if (before <= _machine.Bounds.Released) return;
        byte[] command = TopicCommands.Numbers([before]);
        await CommandAsync(TopicCommand.Release, output => output.Write(command), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>No reading or append begins from now on, and those that wait end.</summary>
    internal void Close()
    {
        _isClosed = true;
        Signal();
    }

    /// <summary>Lets the files go, once the host is closed.</summary>
    public void Dispose() => _readers.Dispose();

    private TopicPage Read(long offset, TopicReadOptions options, TopicBounds bounds)
    {
        List<StoredMessage> messages = options.Reverse
            ? _readers.ReadBack(offset, bounds, options.MaxMessages, options.MaxBytes)
            : _readers.Read(offset, bounds, options.MaxMessages, options.MaxBytes);
        long next = messages.Count == 0 ? offset : options.Reverse ? messages[^1].Offset : messages[^1].Offset + 1;
        return new TopicPage(messages, next, bounds.Start, bounds.End);
    }

    private long Resolve(TopicPosition from, TopicReadOptions options, TopicBounds bounds)
    {
        switch (from.Kind)
        {
            case TopicPositionKind.First:
                return bounds.Start;
            case TopicPositionKind.End:
                return bounds.End;
            case TopicPositionKind.Last:
                return Math.Max(bounds.Start, bounds.End - from.Number);
            case TopicPositionKind.Time:
                return _readers.Find(new HybridTimestamp(unchecked((ulong)from.Number)), bounds);
            default:
                if (from.Number >= bounds.Start && from.Number <= bounds.End) return from.Number;
                return options.OutOfRange switch
                {
                    OutOfRangePolicy.First => bounds.Start,
                    OutOfRangePolicy.End => bounds.End,
                    _ => throw new OffsetOutOfRangeException(from.Number, bounds.Start, bounds.End),
                };
        }
    }

    private AppendResult ToResult(in TopicAnswer answer)
    {
        AppendStatus status = answer switch
        {
            { Status: StoreStatus.VersionMismatch } => AppendStatus.OffsetConflict,
            { Status: not StoreStatus.Ok } => throw Refused(answer.Status),
            { Count: 0 } => AppendStatus.Duplicate,
            _ => AppendStatus.Appended,
        };
        return new AppendResult(status, Number, answer.Offset, answer.Count, answer.Duplicates, answer.Timestamp);
    }

    private WriteRefusedException Refused(StoreStatus status) => new(status, $"Partition {Number} refused: {status}. Nothing was appended.");

    private ValueTask SubmitAsync(Proposal proposal, CancellationToken cancellationToken)
    {
        ValueTask done = proposal.Completion(cancellationToken);
        if (_isClosed) proposal.Finish(new ObjectDisposedException(nameof(Topic)));
        else Host.Submit(proposal);
        return done;
    }

    private async ValueTask<StoreStatus> CommandAsync(TopicCommand command, Action<IBufferWriter<byte>> write, CancellationToken cancellationToken)
    {
        Proposal proposal = _proposals.Rent((ushort)command);
        try
        {
            write(proposal.Payload);
            await SubmitAsync(proposal, cancellationToken).ConfigureAwait(false);
            return TopicAnswer.Read(proposal.Answer.WrittenSpan).Status;
        }
        finally
        {
            proposal.LetGo();
        }
    }

    private void Signal()
    {
        TaskCompletionSource? waiting;
        lock (_gate) (waiting, _changed) = (_changed, null);
        waiting?.TrySetResult();
    }
}
