using System.Buffers;

using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Core.Rebase;
using Tidemark.Replication.Rebase;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Testing.Sync;

/// <summary>A client of a harness: the shard of a local store over a disk that loses power, driven by hand.</summary>
internal sealed class SyncHarnessClient
{
    private static readonly string _directory = Path.GetFullPath("/client");

    private readonly SyncHarness _harness;
    private readonly SeededChance _chance;
    private readonly ProposalPool _proposals = new();
    private readonly Dictionary<long, Exception> _threw = [];
    private int _life;   // Events of an earlier one are of no meaning any more.
    private long _turnAt = long.MaxValue;

    internal SyncHarnessClient(SyncHarness harness, int number, SeededChance chance, Mutators mutators, FaultyFileSystem? disk = null)
    {
        (_harness, _chance, Number, Mutators) = (harness, chance, number, mutators);
        Disk = disk ?? new FaultyFileSystem((long)chance.Next());
        Start();
    }

    internal int Number { get; }

    internal FaultyFileSystem Disk { get; private set; }

    internal LocalReplica Replica { get; private set; } = null!;

    /// <summary>What it runs mutations with; from the next start on.</summary>
    internal Mutators Mutators { get; set; }

    internal bool IsConnected { get; private set; } = true;

    internal LocalFields Fields => Replica.Machine.Fields;

    internal LocalView View => Replica.View;

    /// <summary>Told what became of mutations.</summary>
    internal Action<TimelineMove>? Settled { get; set; }

    internal int Crashes { get; private set; }

    /// <summary>Calls a mutation, and returns its number once it is durable.</summary>
    /// <exception cref="SimulatedCrashException">The machine stopped meanwhile: it is started again, and whether the mutation is there shows.</exception>
    internal long Mutate<T>(T arguments)
        where T : notnull
    {
        Mutator<T> mutator = Mutators.Find<T>();
        var bytes = new ArrayBufferWriter<byte>();
        mutator.Write(arguments, bytes);
        (LocalAnswer answer, long offset) = Run(LocalCommand.Call, LocalCommands.Call(mutator.Name, mutator.Version, _harness.Clock(this).Now(), bytes.WrittenMemory));
        if (answer.Status == LocalStatus.Done) return answer.Mutation;
        if (answer.Status == LocalStatus.Rejected) throw new MutationRejectedException(answer.Code!, answer.Text);
        throw _threw.Remove(offset, out Exception? thrown) ? thrown : new InvalidOperationException(answer.Text);
    }

    /// <summary>Has the local store's log take an entry.</summary>
    internal (LocalAnswer Answer, long Offset) Run(LocalCommand command, byte[] payload)
    {
        Proposal proposal = _proposals.Rent((ushort)command);
        proposal.Payload.Write(payload);
        ValueTask done = proposal.Completion(default);
        Replica.Host.Submit(proposal);
        int life = _life;
        for (int turns = 0; !done.IsCompleted && life == _life; turns++)
        {
            if (turns > 1_000) throw new InvalidOperationException($"Client {Number} does not answer a command.");
            Drive();
        }

        if (!done.IsCompleted) throw new SimulatedCrashException(Disk.OperationCount);
        done.GetAwaiter().GetResult();
        (LocalAnswer, long) result = (LocalAnswer.Read(proposal.Answer.WrittenSpan), proposal.Position.Offset);
        proposal.LetGo();
        return result;
    }

    internal Guid NewClientId() => Replica.Leader.Sync!.NewClientId(_harness.Time.GetUtcNow());

    /// <summary>The power goes, and comes back: what was not flushed is lost as chance has it.</summary>
    internal void Crash()
    {
        Crashes++;
        FaultyFileSystem before = Disk;
        before.Stop();
        Disk = before.Crash().Disk;
        Start();
    }

    /// <summary>Closes the store properly, and opens it.</summary>
    internal void Restart()
    {
        try
        {
            Replica.Host.Close(_harness.Time.GetUtcNow());
        }
        catch (Exception) when (Disk.IsStopped)
        {
            // The machine stopped in the middle of that.
        }

        if (Disk.IsStopped) Crash();
        else Start();
    }

    internal void SetConnected(bool isConnected)
    {
        if (isConnected == IsConnected) return;
        IsConnected = isConnected;
        Tell(isConnected ? new SyncConnected() : new SyncDisconnected("The network is away."));
    }

    /// <summary>Something happened that the sync is to know.</summary>
    internal void Tell(SyncEvent happened)
    {
        Replica.Host.Post(now => Replica.Leader.Step(happened, now));
        Drive();
    }

    /// <summary>Closes the files; for a copy of the directory.</summary>
    internal FaultyFileSystem CopyDisk() => Disk.ProcessKill();

    /// <summary>Takes turns until there is nothing to do.</summary>
    internal void Drive()
    {
        ShardHost host = Replica.Host;
        for (int turns = 0; ; turns++)
        {
            if (turns > 10_000) throw new InvalidOperationException($"Client {Number} has no rest: {Replica.Leader.Sync!.Status}");
            DateTimeOffset now = _harness.Time.GetUtcNow();
            try
            {
                host.Turn(now);
                if (host.BeginFlush(now))
                {
                    host.Execute();
                    host.EndFlush(now);
                }
            }
            catch (Exception) when (Disk.IsStopped)
            {
                // The machine stopped in the middle of that.
            }

            if (Disk.IsStopped)
            {
                Crash();
                return;
            }

            if (host.Failure is { } failure) throw new InvalidOperationException($"Client {Number} failed: {failure.Message}", failure);
            if (!host.HasWork(now) && host.NextDue > now.UtcTicks) break;
        }

        Schedule(host.NextDue);
    }

    private void Start()
    {
        int life = ++_life;
        _turnAt = long.MaxValue;
        while (true)
        {
            try
            {
                Open(life);
                break;
            }
            catch (Exception) when (Disk.IsStopped)
            {
                Disk = Disk.Crash().Disk;
                Crashes++;
            }
        }

        Drive();
    }

    private void Open(int life)
    {
        HybridClock clock = _harness.NewClock(this);
        Replica = LocalReplica.Open(Disk, _directory, new LocalReplicaOptions
        {
            Mutators = Mutators,
            Clock = clock,
            TimeProvider = _harness.Time,
            Pool = new FilePool(Disk, 8),
            Batches = new FlushBatches(2),
            Random = new Random((int)(_chance.Next() >> 33)),
            Logger = NullLogger.Instance,
            SnapshotLogBytes = 8 * 1024,
            LogSegmentBytes = 8 * 1024,
            Threw = (offset, exception) => _threw[offset] = exception,
            Settled = moves =>
            {
                foreach (TimelineMove move in moves) Settled?.Invoke(move);
            },
        });
        var sync = new SyncClient(Replica.Machine, _chance.Next(), new SyncTimes());
        if (Fields.Order is null) Begin(sync);
        Replica.Leader.SyncWith(sync, effect => _harness.Network.Send(effect, happened =>
        {
            if (life == _life) Tell(happened);
        }));
        if (IsConnected) Replica.Host.Post(now => Replica.Leader.Step(new SyncConnected(), now));
    }

    private void Begin(SyncClient sync)
    {
        Proposal begin = _proposals.Rent((ushort)LocalCommand.Begin);
        begin.Payload.Write(LocalCommands.Begin(_harness.Order, sync.NewClientId(_harness.Time.GetUtcNow())));
        ValueTask done = begin.Completion(default);
        Replica.Host.Submit(begin);
        while (!done.IsCompleted)
        {
            DateTimeOffset now = _harness.Time.GetUtcNow();
            Replica.Host.Turn(now);
            if (!Replica.Host.BeginFlush(now)) continue;
            Replica.Host.Execute();
            Replica.Host.EndFlush(now);
        }

        done.GetAwaiter().GetResult();
        begin.LetGo();
    }

    private void Schedule(long due)
    {
        if (due == long.MaxValue || due >= _turnAt) return;
        _turnAt = due;
        int life = _life;
        _harness.At(new DateTimeOffset(due, TimeSpan.Zero), () =>
        {
            if (life != _life) return;
            _turnAt = long.MaxValue;
            Drive();
        });
    }
}
