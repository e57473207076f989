using System.Buffers;
using System.Runtime.CompilerServices;

using Tidemark.Core.Engines;
using Tidemark.Core.Rebase;
using Tidemark.Replication.Rebase;

namespace Tidemark;

/// <summary>A copy of a namespace that a program works on without its server: it calls mutations, which take effect here at once and on the server later. docs/rebase.md.</summary>
/// <remarks>
/// Reads wait for nothing and show the last whole copy with all pending mutations. A call is durable when it completes; after a crash the store opens by itself with all that completed. The state is kept in memory; one
/// process at a time may open a directory. Safe for concurrent calls. Mutators run on the store's own thread.
/// </remarks>
public sealed class LocalStore : IAsyncDisposable
{
    private readonly LocalRuntime _runtime;
    private readonly Lock _gate = new();
    private LocalStoreSync? _sync;

    private LocalStore(LocalRuntime runtime)
    {
        _runtime = runtime;
        Confirmed = new ConfirmedRecords(runtime);
        Pending = new PendingMutations(runtime);
    }

    /// <summary>The records as the server has confirmed them.</summary>
    public ConfirmedRecords Confirmed { get; }

    /// <summary>The mutations that are not known to be decided.</summary>
    public PendingMutations Pending { get; }

    /// <summary>The id under which mutations are pushed. Another once a question was answered.</summary>
    public Guid ClientId => _runtime.View.Fields.Client;

    /// <summary>Where in the server's log the copy stands; null before it was whole for the first time.</summary>
    public LocalStorePosition? Position => _runtime.View.Fields is { Position: { } position } fields ? new LocalStorePosition(position.LogId, position.Offset, fields.Timestamp) : null;

    /// <summary>What the program is asked. Sync stands still until <see cref="AnswerAsync"/>.</summary>
    public LocalStoreQuestion Question => _runtime.View.Fields.Question;

    /// <summary>The mutations that the server rejected, the oldest first, until <see cref="ForgetRejectionsAsync"/>; the newest 1,000.</summary>
    public IReadOnlyList<RejectedMutation> Rejections => [.. _runtime.View.Rejections().Select(kept => new RejectedMutation(
        kept.Client, kept.Mutation.Id, kept.Mutation.Name, kept.Mutation.Version, kept.Mutation.Arguments, kept.Mutation.Time, kept.Rejection.Code, kept.Rejection.Text))];

    /// <summary>Opens the local store of a directory; creates it where it is missing.</summary>
    /// <param name="directory">The directory. Created private to its owner.</param>
    /// <param name="mutators">The mutators that may be called, and those that the timeline may hold.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    /// <param name="cancellationToken">Checked before it begins.</param>
    /// <exception cref="DirectoryLockedException">The store is open already, here or in another process.</exception>
    /// <exception cref="CorruptDataException">Files are damaged or missing in a way no crash explains. Nothing was changed.</exception>
    /// <exception cref="FormatMismatchException">A store of another kind, version or key order is there.</exception>
    /// <remarks>Cost: reads the state, applies what the log has beyond it, and runs the timeline once.</remarks>
    public static async ValueTask<LocalStore> OpenAsync(string directory, Mutators mutators, LocalStoreOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(mutators);
        options = (options ?? new LocalStoreOptions()) with { Mutators = mutators };
        options.Validate();
        cancellationToken.ThrowIfCancellationRequested();
        return new LocalStore(await Task.Run(() => LocalRuntime.OpenAsync(Path.GetFullPath(directory), options), CancellationToken.None).ConfigureAwait(false));
    }

    /// <summary>A local store in memory, which ends with its process. Otherwise the same in every respect.</summary>
    /// <param name="mutators">The mutators that may be called.</param>
    /// <param name="options">Settings; the file system is replaced.</param>
    public static LocalStore InMemory(Mutators mutators, LocalStoreOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(mutators);
        options = (options ?? new LocalStoreOptions()) with { Mutators = mutators, FileSystem = new MemoryFileSystem(), SnapshotLogBytes = 4 * 1024 * 1024, LogSegmentBytes = 1024 * 1024 };
        options.Validate();
        // Nothing blocks: there is no disk to wait for. The pool's thread is asked, because the caller's may have a context that waits for itself.
        return new LocalStore(Task.Run(() => LocalRuntime.OpenAsync(Path.GetFullPath("memory"), options)).GetAwaiter().GetResult());
    }

    /// <summary>Calls a mutation: runs its mutator over what is visible, and queues it.</summary>
    /// <typeparam name="TArguments">The arguments, which say which mutator is meant: of those that take them the one of the highest version.</typeparam>
    /// <param name="arguments">The arguments.</param>
    /// <param name="cancellationToken">Ends the wait; the call may still happen.</param>
    /// <returns>The mutation, once it is durable and its effect is visible.</returns>
    /// <exception cref="MutationRejectedException">The mutator rejected it. Nothing was queued.</exception>
    /// <exception cref="LimitExceededException">The arguments are longer than <see cref="LocalStoreOptions.MaxArgumentBytes"/>.</exception>
    /// <exception cref="OverloadedException">Too many calls wait already.</exception>
    /// <exception cref="StoreFailedException">The disk refused. The store takes no more calls until it is opened again.</exception>
    /// <remarks>What else the mutator throws comes through as it is; nothing was queued then either.</remarks>
    public Task<Mutation> MutateAsync<TArguments>(TArguments arguments, CancellationToken cancellationToken = default)
        where TArguments : notnull
    {
        ArgumentNullException.ThrowIfNull(arguments);
        Mutator<TArguments> mutator = _runtime.Options.Mutators.Find<TArguments>();
        var bytes = new ArrayBufferWriter<byte>();
        mutator.Write(arguments, bytes);
        if (bytes.WrittenCount > _runtime.Options.MaxArgumentBytes)
            throw new LimitExceededException($"arguments of '{mutator.Name}' in bytes", bytes.WrittenCount, _runtime.Options.MaxArgumentBytes, nameof(LocalStoreOptions.MaxArgumentBytes));
        return MutateAsync(LocalCommands.Call(mutator.Name, mutator.Version, _runtime.Clock.Now(), bytes.WrittenMemory)).WaitAsync(cancellationToken);
    }

    /// <summary>Reads a record as it is visible. No waiting.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value; nobody changes it.</param>
    /// <returns>False where there is none.</returns>
    public bool TryGet(StoreKey key, out ReadOnlyMemory<byte> value) => LocalReads.TryGet(_runtime, isConfirmed: false, key, out value);

    /// <summary>Reads the records of a range as they are visible, all as they are now, in the order of the keys. No waiting.</summary>
    /// <param name="range">The range.</param>
    /// <param name="reverse">Whether to begin at its end.</param>
    public IEnumerable<KeyValuePair<StoreKey, ReadOnlyMemory<byte>>> Scan(KeyRange range, bool reverse = false) => LocalReads.Scan(_runtime, isConfirmed: false, range, reverse);

    /// <summary>Tells of changes to what is visible, from now on.</summary>
    /// <param name="range">The records.</param>
    /// <param name="includeExisting">Whether to begin with the records that are there, as if they had just come.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <remarks>
    /// It follows the visible state: all that is told folds to it, and a value that comes back unchanged from the server is not told. A slow reader is told of the latest value alone; nothing is kept for it. It ends when the
    /// store is closed. Cost: that of finding where two trees differ.
    /// </remarks>
    public async IAsyncEnumerable<VisibleChange> WatchAsync(KeyRange range, bool includeExisting = false, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(range);
        LocalView seen = _runtime.View;
        EncodedKeyRange encoded = seen.Fields.Order!.Encode(range);
        if (includeExisting)
        {
            foreach ((StoreKey key, ReadOnlyMemory<byte> value) in seen.Scan(isConfirmed: false, encoded, isReverse: false)) yield return new VisibleChange(key, null, value);
        }

        while (!_runtime.IsClosed)
        {
            Task changed = _runtime.Changed;
            LocalView now = _runtime.View;
            foreach (RowChange change in now.ChangesSince(seen, encoded))
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return new VisibleChange(now.Fields.Order!.Decode(change.Key), Value(change.Before), Value(change.After));
            }

            seen = now;
            if (!_runtime.IsClosed) await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        static ReadOnlyMemory<byte>? Value(byte[]? row) => row?.AsMemory(LocalRows.NumberBytes);
    }

    /// <summary>Answers <see cref="Question"/>.</summary>
    /// <param name="answer">What is to become of the mutations of the timeline.</param>
    /// <param name="cancellationToken">Ends the wait; the answer may still count.</param>
    /// <returns>False where there was no question.</returns>
    public async Task<bool> AnswerAsync(LocalStoreAnswer answer, CancellationToken cancellationToken = default)
    {
        if (answer is not (LocalStoreAnswer.PushAgain or LocalStoreAnswer.Discard)) throw new ArgumentOutOfRangeException(nameof(answer), answer, "There is no such answer.");
        (LocalAnswer done, _) = await _runtime.RunAsync(LocalCommand.Decide, LocalCommands.Decide(answer, _runtime.NewClientId())).WaitAsync(cancellationToken).ConfigureAwait(false);
        return done.Status == LocalStatus.Done;
    }

    /// <summary>Forgets rejections that the program knows of now.</summary>
    /// <param name="upTo">The last of them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task ForgetRejectionsAsync(RejectedMutation upTo, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(upTo);
        return _runtime.RunAsync(LocalCommand.Forget, LocalCommands.Forget(upTo.Client, upTo.Id)).WaitAsync(cancellationToken);
    }

    /// <summary>Lets a sync go on that has ended because the copy differed from the server's state too often.</summary>
    public Task RetrySyncAsync(CancellationToken cancellationToken = default) => _runtime.RunAsync(LocalCommand.Retry, LocalCommands.Retry()).WaitAsync(cancellationToken);

    /// <summary>Ends the sync, answers what was called, closes all files and lets the directory go.</summary>
    public async ValueTask DisposeAsync()
    {
        LocalStoreSync? sync;
        lock (_gate) sync = _sync;
        if (sync is not null && !_runtime.IsClosed) await sync.DisposeAsync().ConfigureAwait(false);
        await _runtime.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Syncs with a namespace from now on, until the sync is disposed: of a <see cref="TidemarkStore"/> or a <see cref="TidemarkNode"/> in this process, or over a <see cref="TidemarkClient"/>.</summary>
    /// <param name="server">The namespace, whose nodes have the mutators: <see cref="TidemarkStoreOptions.Mutators"/>, <see cref="TidemarkNodeOptions.Mutators"/>. It stays the caller's.</param>
    /// <exception cref="ArgumentException">The namespace has several shards or another key order, or is none of these.</exception>
    /// <exception cref="InvalidOperationException">It syncs already.</exception>
    public LocalStoreSync SyncWith(KeyValueStore server)
    {
        ArgumentNullException.ThrowIfNull(server);
        if (server.SyncRoute is not { } route) throw new ArgumentException("A namespace that local stores sync with has one shard, and is of a TidemarkStore, a TidemarkNode or a TidemarkClient.", nameof(server));
        if (server.Settings.KeyOrder != _runtime.Options.KeyOrder)
            throw new ArgumentException($"The namespace has the key order '{server.Settings.KeyOrder.Name}', the local store '{_runtime.Options.KeyOrder.Name}'. Open a local store with {nameof(LocalStoreOptions.KeyOrder)}.", nameof(server));
        return SyncWith(route);
    }

    /// <summary>Syncs with a server from now on.</summary>
    /// <exception cref="InvalidOperationException">It syncs already.</exception>
    internal LocalStoreSync SyncWith(ISyncRoute route, SyncTimes? times = null)
    {
        lock (_gate)
        {
            _runtime.ThrowIfClosed();
            if (_sync is not null) throw new InvalidOperationException("This local store syncs already. Dispose that sync first.");
            return _sync = new LocalStoreSync(_runtime, route, times) { Ended = Forget };
        }

        void Forget()
        {
            lock (_gate) _sync = null;
        }
    }

    private async Task<Mutation> MutateAsync(byte[] call)
    {
        (LocalAnswer answer, long offset) = await _runtime.RunAsync(LocalCommand.Call, call).ConfigureAwait(false);
        if (answer.Status == LocalStatus.Done) return _runtime.Mutations.Claim(offset);
        if (answer.Status == LocalStatus.Rejected) throw new MutationRejectedException(answer.Code!, answer.Text);
        Exception? thrown = _runtime.Mutations.ClaimThrown(offset);
        if (thrown is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(thrown);
        throw new InvalidOperationException(answer.Text);
    }
}
