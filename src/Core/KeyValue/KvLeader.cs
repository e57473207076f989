using System.Buffers;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Rebase;
using Tidemark.Core.Replication;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>What only the leader of a key-value shard does: it watches the time for sessions, records and clients, and proposes what is over.</summary>
/// <remarks>
/// Not thread-safe; time is an argument. Deadlines are the leader's own and nowhere written: a new leader grants every session a full timeout. Nothing
/// ends before the entry that says so is applied, and a keep-alive comes too late once that entry has been proposed.
/// </remarks>
internal sealed class KvLeader : ILeaderRole
{
    private const int MostAtOnce = 1_000;
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestClientCheck = TimeSpan.FromMinutes(1);

    private readonly KvMachine _machine;
    private readonly KvSettings? _wanted;
    private readonly SyncLeader? _sync;
    private readonly long _cutLogBytes;
    private readonly Dictionary<Guid, SessionWatch> _sessions = [];
    private readonly PriorityQueue<Guid, long> _deadlines = new();   // A session's entry may be earlier than its deadline: it is looked at then.
    private readonly HashSet<KvCommand> _underWay = [];
    private long _nextClientCheck;
    private long _retryAt;
    private Generation? _next;       // What a majority has agreed on that may be its base.
    private bool _isCutDue;

    /// <param name="machine">The state, up to date.</param>
    /// <param name="now">The time.</param>
    /// <param name="wanted">The settings that the shard is to have; null to leave them.</param>
    /// <param name="mutators">What clients that sync may call; null for nothing.</param>
    /// <param name="cutLogBytes">How many bytes of entries come at least before the log is cut unasked.</param>
    internal KvLeader(KvMachine machine, DateTimeOffset now, KvSettings? wanted = null, Mutators? mutators = null, long cutLogBytes = long.MaxValue)
    {
        _machine = machine;
        _cutLogBytes = cutLogBytes;
        _wanted = wanted;
        _sync = mutators is null ? null : new SyncLeader(machine, mutators);
        machine.Sessions.Moves.Clear();
        foreach ((Guid session, long timeout) in machine.Sessions.All()) Watch(session, timeout, Planted.Is(PlantedBug.SessionTimerNotRestarted) ? machine.Position.Timestamp.Physical : now);
        _nextClientCheck = now.UtcTicks;
    }

    /// <summary>When there will be something to propose if nothing else happens, in UTC ticks; never early.</summary>
    public long NextDue
    {
        get
        {
            long due = _machine.Counters.Clients > 0 ? _nextClientCheck : long.MaxValue;
            if (_deadlines.TryPeek(out _, out long deadline)) due = Math.Min(due, deadline);
            if (IsEndDue) due = 0;
            if (_machine.NextExpiry is { } expiry) due = Math.Min(due, expiry.Physical.UtcTicks);
            return due == long.MaxValue ? due : Math.Max(due, _retryAt);
        }
    }

    /// <inheritdoc/>
    public long MarkWanted => _machine.Cuts.Wish is { } wish && !IsEndDue ? wish : -1;

    private bool IsEndDue => _next is { } next && next.Base.Offset >= _machine.Cuts.Wish && !_underWay.Contains(KvCommand.EndLog);

    /// <inheritdoc/>
    public void Agreed(in StatePosition mark, in StateHash hash) => _next = _machine.Generation.Next(mark, hash);

    /// <inheritdoc/>
    public void Weigh(long logBytes, long stateBytes) => _isCutDue = logBytes >= Math.Max(_cutLogBytes, stateBytes);

    /// <inheritdoc/>
    public void Admit(long offset, ref ushort kind, ref ReadOnlyMemory<byte> payload)
    {
        if (_sync is not null) _sync.Admit(offset, ref kind, ref payload);
        else if ((KvCommand)kind == KvCommand.Mutate && MutateCommand.TryRead(payload.Span) is { } asked)
            (kind, payload) = ((ushort)KvCommand.Decide, DecideCommand.Refuse(asked, SyncRefusal.Delayed, "The shard's leader has no mutators."));
    }

    /// <inheritdoc/>
    public void Withdraw(long offset) => _sync?.Withdraw(offset);

    /// <summary>Whether a session lives, and if so moves its deadline to a full timeout from now.</summary>
    internal bool TryKeepAlive(Guid session, DateTimeOffset now)
    {
        TakeMoves(now);
        if (!_sessions.TryGetValue(session, out SessionWatch? watch) || watch.IsEnding) return false;
        watch.Deadline = now.UtcTicks + watch.Timeout;
        return true;
    }

    /// <summary>Looks at the time, and gives the commands to propose.</summary>
    public void Tick(DateTimeOffset now, List<(ushort Kind, byte[] Payload)> proposals)
    {
        TakeMoves(now);
        if (now.UtcTicks < _retryAt) return;
        if (_wanted is not null && _machine.Settings != _wanted && !_underWay.Contains(KvCommand.Configure)) Configure(proposals);
        if (!_underWay.Contains(KvCommand.ExpireSessions)) EndSessions(now, proposals);
        if (!_underWay.Contains(KvCommand.ExpireRecords)) EndRecords(now, proposals);
        if (IsEndDue) EndLog(proposals);
        else if (_isCutDue && _machine.Cuts.Wish is null && !_underWay.Contains(KvCommand.Cut)) Cut(proposals);
        if (!_underWay.Contains(KvCommand.ForgetClients) && now.UtcTicks >= _nextClientCheck) EndClients(now, proposals);
    }

    /// <summary>A command that <see cref="Tick"/> gave has been applied, or could not be proposed and is given again later.</summary>
    public void Ended(ushort kind, bool isApplied, DateTimeOffset now)
    {
        _underWay.Remove((KvCommand)kind);
        if (!isApplied) _retryAt = now.UtcTicks + RetryPause.Ticks;
    }

    private void Configure(List<(ushort, byte[])> proposals)
    {
        var output = new ArrayBufferWriter<byte>();
        _wanted!.Write(output);
        Propose(KvCommand.Configure, output, proposals);
    }

    private void Cut(List<(ushort, byte[])> proposals)
    {
        var output = new ArrayBufferWriter<byte>();
        new CutCommand(Before: null).Write(output);
        Propose(KvCommand.Cut, output, proposals);
    }

    private void EndLog(List<(ushort, byte[])> proposals)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        _next!.Value.Write(ref writer);
        writer.Flush();
        Propose(KvCommand.EndLog, output, proposals);
    }

    private void TakeMoves(DateTimeOffset now)
    {
        List<(Guid Session, long TimeoutMilliseconds)> moves = _machine.Sessions.Moves;
        foreach ((Guid session, long timeout) in moves)
        {
            if (timeout > 0) Watch(session, timeout, now);
            else _sessions.Remove(session);
        }

        moves.Clear();
    }

    private void Watch(Guid session, long timeoutMilliseconds, DateTimeOffset now)
    {
        long timeout = timeoutMilliseconds * TimeSpan.TicksPerMillisecond;
        var watch = new SessionWatch { Timeout = timeout, Deadline = now.UtcTicks + timeout };
        _sessions[session] = watch;
        _deadlines.Enqueue(session, watch.Deadline);
    }

    private void EndSessions(DateTimeOffset now, List<(ushort, byte[])> proposals)
    {
        List<Guid> over = [];
        while (over.Count < MostAtOnce && _deadlines.TryPeek(out Guid session, out long deadline) && deadline <= now.UtcTicks)
        {
            _deadlines.Dequeue();
            if (!_sessions.TryGetValue(session, out SessionWatch? watch)) continue;
            bool isOver = watch.Deadline <= now.UtcTicks;
            watch.IsEnding |= isOver;
            if (isOver) over.Add(session);
            // Kept in the queue until it is gone, so that a proposal that fails is made again.
            _deadlines.Enqueue(session, isOver ? now.UtcTicks + RetryPause.Ticks : watch.Deadline);
        }

        if (over.Count == 0) return;
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(over.Count);
        foreach (Guid session in over) writer.Write(session.ToByteArray(bigEndian: true).AsSpan());
        writer.Flush();
        Propose(KvCommand.ExpireSessions, output, proposals);
    }

    private void EndRecords(DateTimeOffset now, List<(ushort, byte[])> proposals)
    {
        if (_machine.NextExpiry is not { } next || next.Physical.UtcTicks > now.UtcTicks) return;
        List<(byte[] EncodedKey, long Version)> over = _machine.DueRecords(HybridTimestamp.FromDateTimeOffset(now), MostAtOnce);
        if (over.Count == 0) return;
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(over.Count);
        foreach ((byte[] key, long version) in over)
        {
            writer.WriteArrayHeader(2);
            writer.Write(key.AsSpan());
            writer.Write(version);
        }

        writer.Flush();
        Propose(KvCommand.ExpireRecords, output, proposals);
    }

    private void EndClients(DateTimeOffset now, List<(ushort, byte[])> proposals)
    {
        if (_machine.Settings is not { } settings) return;
        var idle = TimeSpan.FromMilliseconds(settings.ClientIdleMilliseconds);
        _nextClientCheck = now.UtcTicks + Math.Min(LongestClientCheck.Ticks, idle.Ticks / 4);
        if (_machine.Counters.Clients == 0 || now - DateTimeOffset.UnixEpoch < idle) return;
        List<(Guid Client, HybridTimestamp LastUsed)> over = _machine.Clients.IdleSince(HybridTimestamp.FromDateTimeOffset(now - idle), MostAtOnce);
        if (over.Count == 0) return;
        var output = new ArrayBufferWriter<byte>();
        CommandWriter.WriteForget(output, over);
        Propose(KvCommand.ForgetClients, output, proposals);
    }

    private void Propose(KvCommand command, ArrayBufferWriter<byte> payload, List<(ushort, byte[])> proposals)
    {
        _underWay.Add(command);
        proposals.Add(((ushort)command, payload.WrittenSpan.ToArray()));
    }

    private sealed class SessionWatch
    {
        public long Timeout { get; init; }

        public long Deadline { get; set; }

        public bool IsEnding { get; set; }
    }
}
