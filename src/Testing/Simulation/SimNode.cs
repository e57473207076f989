using System.Buffers;
using System.Globalization;
using System.Runtime.ExceptionServices;

using Microsoft.Extensions.Logging;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Nodes;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Testing.Simulation;

/// <summary>A machine of the simulation: a disk, a clock and, while it is up, a node that is driven by the world's events.</summary>
internal sealed class SimNode
{
    private static readonly string _directory = Path.GetFullPath("/node");
    private static readonly TimeSpan _shortestWait = TimeSpan.FromMicroseconds(100);

    private readonly ClusterSimulation _cluster;
    private readonly SimWorld _world;
    private readonly Action _step;
    private readonly Dictionary<long, SimDriver> _drivers = [];
    private readonly List<SimDriver> _released = [];   // Of replicas that the node keeps no more.
    private readonly ProposalPool _proposals = new();
    private FaultyFileSystem? _oldCopy;
    private long _copiedInRun;
    private int _life;           // Events of an earlier one are of no meaning any more.
    private Action _turn = () => { };
    private bool _isTurnDue;
    private DateTimeOffset _timerAt;
    private TimeSpan _pausedUntil;

    internal SimNode(ClusterSimulation cluster, int node)
    {
        (_cluster, _world, Node) = (cluster, cluster.World, node);
        _step = () => Host!.Turn(Clock!.Steady);
        Clock = new SimClock(_world);
        DiskSlowness = cluster.Plan.DiskSlowness;
        Disk = new FaultyFileSystem((long)_world.Chance.Next());
    }

    internal int Node { get; }

    internal SimClock Clock { get; }

    internal FaultyFileSystem Disk { get; private set; }

    internal NodeHost? Host { get; private set; }

    internal bool IsUp => Host is not null;

    /// <summary>Whether it stands still.</summary>
    internal bool IsPausedNow => _world.Now < _pausedUntil;

    internal long Run { get; private set; }

    /// <summary>Whether the disk may lack what the node has said. Known to the simulation, and to be found out by the node.</summary>
    internal bool IsDiskOld { get; private set; }

    /// <summary>Whether a bit of its disk was turned over and the node has not noticed yet: some day it will, and be lost.</summary>
    internal bool HasHiddenDamage => DamagedShard is not null;

    /// <summary>The shard whose files were damaged; -1 for the node's own; null for none.</summary>
    internal long? DamagedShard { get; set; }

    /// <summary>Whether its state is not what the entries give, and nobody has noticed yet.</summary>
    internal bool HasStrayState { get; set; }

    /// <summary>Whether that was so before: the second time the replica stays down.</summary>
    internal bool HasStrayed { get; private set; }

    /// <summary>How much slower than usual the disk is.</summary>
    internal double DiskSlowness { get; set; }

    internal IReadOnlyDictionary<long, SimDriver> Drivers => _drivers;

    internal bool HasOldCopy => _oldCopy is not null && Run > _copiedInRun;

    /// <summary>Starts the node; where disk or status store refuse, it is tried again.</summary>
    internal void Start()
    {
        if (IsUp) return;
        int life = ++_life;
        _turn = () => Turn(life);
        try
        {
            Task<BootedNode> boot = NodeBoot.RunAsync(Disk, _directory, new NodeStart(Node), _cluster.Store, _cluster.FirstStatus);
            SimWorld.Require(boot.IsCompleted, "nothing is waited for in a simulation");
            BootedNode booted = boot.GetAwaiter().GetResult();
            SimWorld.Require(booted.IsLost || !IsDiskOld, $"node {Node} was started with a disk older than itself, and did not notice");
            Run = booted.Run;
            var clock = new HybridClock(Clock);
            var disk = new NodeDisk(_directory, booted.Status.Cluster, booted.Run, new FilePool(Disk, 16), clock, new FlushBatches(4), new Random((int)_world.Chance.Next()), 16 * 1024, new SimLogger(_world, Node));
            ITransport transport = _cluster.Network.Connect(Node);
            var host = new NodeHost(new NodeHostOptions
            {
                Node = Node,
                Booted = booted,
                Disk = disk,
                KindOf = _cluster.KindOf,
                Transport = transport,
                Store = _cluster.Store.CallsOf,
                TimeProvider = Clock,
                Times = _cluster.Plan.Times,
                LeaderPatience = _cluster.Plan.LeaderPatience,
                MarkInterval = _cluster.Plan.MarkInterval,
                BalanceInterval = 2 * _cluster.Plan.Times.Suspicion,
                Applied = (replica, record) => _cluster.OracleOf(replica).Applied(this, replica, record),
                Published = replica =>
                {
                    _cluster.OracleOf(replica).Published(this, replica, _cluster.Nodes.Any(node => node.HasStrayState));
                    _cluster.Published?.Invoke();
                },
            });
            ValueTask listening = transport.StartAsync(host.Receive);
            SimWorld.Require(listening.IsCompletedSuccessfully, "nothing is waited for in a simulation");
            IsDiskOld = false;
            Host = host;
            foreach (ReplicaHost replica in host.Replicas.Values) Drive(replica);
            host.Opened = replica => Drive(replica);
            host.Released = Release;
            host.Wake = () => WakeNode(life);
            _world.Mark($"node {Node} up, run {Run}{(booted.IsLost ? ", lost" : "")}");
            WakeNode(life);
        }
        catch (Exception e) when (e is IOException or StoreFullException or StoreFailedException or SimulatedCrashException or OutcomeUnknownException)
        {
            _world.Count("failed start");
            _world.Mark($"node {Node} does not start: {e.GetType().Name}");
            Stop(e is SimulatedCrashException);
            _world.After(_world.Between(200, 2000), Start);
        }
    }

    /// <summary>Stops at once. Without power the disk keeps what was flushed, and of the rest what chance leaves.</summary>
    internal void Crash(bool losesPower)
    {
        if (!IsUp) return;
        _world.Mark($"node {Node} {(losesPower ? "loses power" : "is killed")}");
        Stop(losesPower);
    }

    /// <summary>What fails in here ends the process: it is started again.</summary>
    internal void Fail(Exception cause)
    {
        if (!IsOfTheDisk(cause)) ExceptionDispatchInfo.Throw(cause);   // A replica that stops over a broken law, or over a mistake of its own, is none that failed.
        _world.Count("node failed");
        _world.Mark($"node {Node} failed: {cause.GetType().Name}");
        Stop(losesPower: cause is SimulatedCrashException || cause.InnerException is SimulatedCrashException);
        _world.After(_world.Between(100, 1500), Start);
    }

    internal void Pause(TimeSpan time) => _pausedUntil = _world.Now + time;

    internal void Wipe()
    {
        Disk = new FaultyFileSystem((long)_world.Chance.Next());
        (IsDiskOld, DamagedShard, HasStrayState, HasStrayed, _oldCopy) = (Run > 0, null, false, false, null);
    }

    /// <summary>Its state becomes another than that of the others, by a change that no client sees.</summary>
    internal void Stray(long shard)
    {
        IStateMachine machine = _drivers[shard].Replica.Machine;
        var command = new ArrayBufferWriter<byte>();
        CommandWriter.WriteIdAlone(command, _world.NewId());
        machine.Apply(new StateEntry(machine.Position, (ushort)KvCommand.RegisterClient, command.WrittenMemory), new ArrayBufferWriter<byte>());
        HasStrayState = HasStrayed = true;
    }

    /// <summary>The files of its replicas, with their lengths.</summary>
    internal IEnumerable<(string Path, long Length)> Files()
    {
        foreach (string directory in (IEnumerable<string>)[_directory, .. _cluster.Oracles.Keys.SelectMany(FoldersOf)])
        {
            IReadOnlyList<string> names;
            try
            {
                names = Disk.ListFiles(directory);
            }
            catch (DirectoryNotFoundException)
            {
                continue;
            }

            foreach (string name in names)
            {
                using IFile file = Disk.Open(Path.Combine(directory, name), FileOpenMode.Existing);
                if (file.Length > 0) yield return (Path.Combine(directory, name), file.Length);
            }
        }
    }

    /// <summary>The files of its replica of a shard.</summary>
    internal IEnumerable<(string Path, long Length)> Files(long shard) => Files().Where(file => IsOf(shard, file.Path));

    /// <summary>Whether a file belongs to the replica of a shard.</summary>
    internal static bool IsOf(long shard, string path) => path.StartsWith(FolderOf(shard), StringComparison.Ordinal);

    private static string FolderOf(long shard) => Path.Combine(_directory, "shards", shard.ToString("D6", CultureInfo.InvariantCulture));

    private IEnumerable<string> FoldersOf(long shard) =>
        [FolderOf(shard), .. Enumerable.Range(0, 4).Select(at => Path.Combine(FolderOf(shard), NodeDisk.GenerationName((Run * 1000) + at))).SelectMany(path => (string[])[Path.Combine(path, "log"), Path.Combine(path, "state")])];

    internal void KeepCopy() => (_oldCopy, _copiedInRun) = (Disk.Crash(CrashLoss.Everything).Disk, Run);

    internal void RollBack()
    {
        Disk = _oldCopy!;
        (IsDiskOld, _oldCopy) = (true, null);
    }

    /// <summary>Hands a command to a replica of this node. What comes of it is told later, or never.</summary>
    internal void Submit(long shard, ushort kind, Action<IBufferWriter<byte>> write, Action<Proposal, Exception?> done)
    {
        if (_drivers.TryGetValue(shard, out SimDriver? driver)) driver.Submit(_proposals.Rent(kind), write, done);
    }

    private void Stop(bool losesPower)
    {
        _life++;
        Host = null;
        foreach (SimDriver driver in _drivers.Values.Concat(_released)) driver.Stop();
        _drivers.Clear();
        _released.Clear();
        (_isTurnDue, _timerAt) = (false, default);
        _cluster.Network.Disconnect(Node);
        Disk = losesPower ? Disk.Crash().Disk : Disk.ProcessKill();
        Disk.CapacityBytes = long.MaxValue;
    }

    private void WakeNode(int life)
    {
        if (_isTurnDue || life != _life) return;
        _isTurnDue = true;
        _world.After(_world.Between(0.01, 0.05), _turn);
    }

    private void Turn(int life)
    {
        if (life != _life || Host is not { } host) return;
        if (IsPaused(_turn)) return;
        _isTurnDue = false;
        Guard(_step);
        if (life != _life) return;
        if (host.HasWork) WakeNode(life);
        else WakeNodeAt(host.NextDue, life);
    }

    private void WakeNodeAt(DateTimeOffset due, int life)
    {
        if (_timerAt == due) return;
        _timerAt = due;
        _world.After(NoShorter(due - Clock.Steady), () =>
        {
            if (life != _life || _timerAt != due) return;
            _timerAt = default;
            WakeNode(life);
        });
    }

    private void Drive(ReplicaHost replica)
    {
        if (_drivers.TryGetValue(replica.ShardId, out SimDriver? before)) before.Stop();
        _drivers[replica.ShardId] = new SimDriver(this, _world, _cluster.OracleOf(replica), replica);
    }

    private void Release(ReplicaHost replica, Action end)
    {
        _drivers.Remove(replica.ShardId, out SimDriver? driver);
        _released.Add(driver!);
        if (replica.ShardId == ClusterSimulation.Shard) HasStrayState = false;
        _world.Count("replica deleted");
        _world.Mark($"node {Node} keeps shard {replica.ShardId} no more");
        driver!.Release(end);
    }

    /// <summary>Whether it stands still; if so, it is done again when it goes on.</summary>
    internal bool IsPaused(Action again)
    {
        if (_world.Now >= _pausedUntil) return false;
        _world.After(_pausedUntil - _world.Now, again);
        return true;
    }

    /// <summary>What goes wrong in a step is the end of this run.</summary>
    internal void Guard(Action step)
    {
        try
        {
            step();
        }
        catch (Exception e) when (IsOfTheDisk(e))
        {
            Fail(e);
        }
    }

    private static bool IsOfTheDisk(Exception cause) => cause is SimulatedCrashException or IOException or StoreFullException or StoreFailedException or CorruptDataException;

    /// <summary>A timer does not fire at once, whatever is due.</summary>
    internal static TimeSpan NoShorter(TimeSpan wait) => wait < _shortestWait ? _shortestWait : wait;
}

/// <summary>Puts what a node warns of into the simulation's story.</summary>
internal sealed class SimLogger(SimWorld world, int node) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel)) world.Mark($"node {node} says: {formatter(state, exception)} {exception?.Message}");
    }
}
