using Tidemark.Core.Replication;
using Tidemark.Core.Topics;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;

namespace Tidemark.Replication.Topics;

/// <summary>A partition in this process: what is appended goes through its host, what is read comes from its log.</summary>
internal sealed class LocalPartition : ShardPartition, IDisposable
{
    private readonly ShardState _state;
    private readonly PartitionReads _reads;
    private readonly ChangeSignal _changed = new();   // There is more to read.
    private readonly FilePool _pool;
    private volatile bool _isClosed;

    internal LocalPartition(int number, ShardState state, FilePool pool, ProposalPool proposals, TimeProvider time)
        : base(number, proposals, time)
    {
        _state = state;
        _pool = pool;
        _reads = new PartitionReads(number, state, pool, () => Host.Wake?.Invoke());
    }

    internal ShardHost Host { get; set; } = null!;   // Set right after: the host is made with the partition's hooks.

    /// <summary>How it is, as far as readers see.</summary>
    internal PartitionInfo Info => _reads.Info;

    /// <summary>The host's thread: shows readers what was applied.</summary>
    internal void Publish()
    {
        _reads.Publish();
        _changed.Raise();
    }

    internal ILeaderRole CreateLeader(ShardState state, DateTimeOffset now) => new TopicLeader((TopicMachine)state.Machine, _reads.Log, now);

    /// <summary>Has the partition follow other settings from now on.</summary>
    internal async ValueTask ConfigureAsync(TopicOptions options, CancellationToken cancellationToken)
    {
        Host.Post(_ => (_state.Log.MaxSegmentAge, _state.Log.SegmentBytes) = (options.EffectiveSegmentAge, options.SegmentBytes));
        var wanted = TopicSettings.Of(options);
        if (((TopicMachine)_state.Machine).Settings == wanted) return;
        await CommandAsync(TopicCommand.Configure, wanted.Write, cancellationToken).ConfigureAwait(false);
    }

    internal override ValueTask<TopicPage> ReadAsync(TopicPosition from, TopicReadOptions options, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
        try
        {
            return new ValueTask<TopicPage>(_reads.Read(from, options));
        }
        catch (Exception) when (_isClosed)
        {
            throw new ObjectDisposedException(nameof(Topic));
        }
    }

    internal override async ValueTask WaitAsync(long offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed = _changed.Next;
            ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
            if (_reads.Bounds.End > offset) return;
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
        if (_reads.TrimCommand(before) is { } command) await CommandAsync(TopicCommand.Trim, command, cancellationToken).ConfigureAwait(false);
    }

    internal override ValueTask ReleaseAsync(long before, CancellationToken cancellationToken) =>
        before <= _reads.Bounds.Released ? ValueTask.CompletedTask : base.ReleaseAsync(before, cancellationToken);

    /// <summary>Holds the partition as it is at the newest entry that was applied, for a backup.</summary>
    /// <exception cref="StoreFailedException">The partition failed: what it shows may not be what its log says.</exception>
    /// <exception cref="ObjectDisposedException">The partition was closed.</exception>
    internal Task<PartitionCut> TakeCutAsync() => Host.LookAsync(() => PartitionCut.Take(_state, _pool, () => Host.Wake?.Invoke()));

    /// <summary>No reading or append begins from now on, and those that wait end.</summary>
    internal void Close()
    {
        _isClosed = true;
        _changed.Raise();
    }

    /// <summary>Lets the files go, once the host is closed.</summary>
    public void Dispose() => _reads.Dispose();

    protected override bool IsReplicated => false;

    protected override void Send(Proposal proposal)
    {
        ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
        Host.Submit(proposal);
    }
}
