using System.Buffers;
using System.Security.Cryptography;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Core.Rebase;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Rebase;

/// <summary>What runs a local store: its directory's lock, its shard, and the thread that drives it.</summary>
internal sealed class LocalRuntime : IAsyncDisposable
{
    private readonly IDisposable _lock;
    private readonly DiskThreads _threads = new("jobs", 1);
    private readonly ShardExecutor _executor;
    private readonly ProposalPool _proposals = new();
    private readonly Lock _gate = new();
    private readonly ChangeSignal _changed = new();
    private Task? _disposal;

    private LocalRuntime(string directory, LocalStoreOptions options, IDisposable held)
    {
        (_lock, Options) = (held, options);
        ILogger logger = options.LoggerFactory?.CreateLogger("Tidemark.LocalStore") ?? (ILogger)NullLogger.Instance;
        Random random = options.Random ?? new Random(RandomNumberGenerator.GetInt32(int.MaxValue));
        Seed = options.Random is null ? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))) : (ulong)random.NextInt64();
        Clock = new HybridClock(options.TimeProvider);
        Mutations = new MutationRegistry(() => Replica!.View);
        Replica = LocalReplica.Open(options.FileSystem, directory, new LocalReplicaOptions
        {
            Mutators = options.Mutators,
            Clock = Clock,
            TimeProvider = options.TimeProvider,
            Pool = new FilePool(options.FileSystem, 8),
            Batches = new FlushBatches(2),
            Random = random,
            Logger = logger,
            SnapshotLogBytes = options.SnapshotLogBytes,
            LogSegmentBytes = options.LogSegmentBytes,
            MaxPendingBytes = options.MaxPendingBytes,
            Threw = Mutations.Threw,
            Settled = Mutations.Take,
            Published = _changed.Raise,
        });
        Mutations.Open();
        _executor = new ShardExecutor(0, 1, options.TimeProvider, _threads);
        _executor.Add(Replica.Host);
    }

    internal LocalStoreOptions Options { get; }

    internal HybridClock Clock { get; }

    internal LocalReplica Replica { get; }

    internal MutationRegistry Mutations { get; }

    /// <summary>Where chance comes from for what syncs.</summary>
    internal ulong Seed { get; }

    internal LocalView View => Replica.View;

    /// <summary>Completes when entries were applied since, or the store is closed. Take it before looking.</summary>
    internal Task Changed => _changed.Next;

    internal bool IsClosed
    {
        get
        {
            lock (_gate) return _disposal is not null;
        }
    }

    internal static async Task<LocalRuntime> OpenAsync(string directory, LocalStoreOptions options)
    {
        options.FileSystem.CreateDirectory(directory);
        IDisposable held = options.FileSystem.Lock(Path.Combine(directory, LogFiles.LockName));
        LocalRuntime runtime;
        try
        {
            runtime = new LocalRuntime(directory, options, held);
        }
        catch
        {
            held.Dispose();
            throw;
        }

        try
        {
            if (runtime.View.Fields.Order is null) await runtime.RunAsync(LocalCommand.Begin, LocalCommands.Begin(options.KeyOrder, runtime.NewClientId())).ConfigureAwait(false);
            if (runtime.View.Fields.Order != options.KeyOrder) throw new FormatMismatchException(directory, $"a local store in {options.KeyOrder} order", $"one in {runtime.View.Fields.Order} order: that never changes");
            return runtime;
        }
        catch
        {
            await runtime.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>An id for a client that begins now.</summary>
    internal Guid NewClientId() => ClientIds.Make(Clock.Now(), View.Fields.Timestamp, BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))));

    /// <summary>Has the log take an entry, and waits until it is applied. Never given up: whoever waits may.</summary>
    internal async Task<(LocalAnswer Answer, long Offset)> RunAsync(LocalCommand command, ReadOnlyMemory<byte> payload)
    {
        Proposal proposal = _proposals.Rent((ushort)command);
        proposal.Payload.Write(payload.Span);
        ValueTask done = proposal.Completion(CancellationToken.None);
        try
        {
            if (IsClosed) proposal.Finish(new ObjectDisposedException(nameof(LocalStore)));
            else Replica.Host.Submit(proposal);
            await done.ConfigureAwait(false);
            return (LocalAnswer.Read(proposal.Answer.WrittenSpan), proposal.Position.Offset);
        }
        finally
        {
            proposal.LetGo();
        }
    }

    public ValueTask DisposeAsync()
    {
        lock (_gate) return new ValueTask(_disposal ??= Task.Run(CloseAsync));
    }

    internal void ThrowIfClosed() => ObjectDisposedException.ThrowIf(IsClosed, typeof(LocalStore));

    private async Task CloseAsync()
    {
        try
        {
            await _executor.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            _threads.Stop();
            _lock.Dispose();
            _changed.Raise();
        }
    }
}
