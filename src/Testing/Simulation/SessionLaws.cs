using Tidemark.Core.KeyValue;
using Tidemark.Core.State;

namespace Tidemark.Testing.Simulation;

/// <summary>A session that a program has opened, as all committed entries have it.</summary>
internal sealed class HeldSession(Guid id, TimeSpan timeout)
{
    internal Guid Id => id;

    internal TimeSpan Timeout => timeout;

    /// <summary>Whether it is open after all entries committed so far.</summary>
    internal bool IsOpen { get; set; }

    /// <summary>How often it has ended: a command to open it that was held up for long opens it again.</summary>
    internal int Ends { get; set; }

    /// <summary>Whether its program has asked to close it.</summary>
    internal bool IsClosing { get; set; }

    /// <summary>When the newest keep-alive arrived that was confirmed; in the beginning, when it was opened.</summary>
    internal TimeSpan Confirmed { get; set; }

    /// <summary>Before this nobody may let it go: a leader's clock is no faster than that.</summary>
    internal TimeSpan Deadline => Confirmed + (timeout * (1 - SimFaults.MostDrift));
}

/// <summary>What was so when a keep-alive arrived somewhere.</summary>
internal readonly record struct KeepAliveMoment(TimeSpan Arrived, bool IsOpen, int Ends, long ServedTerm);

/// <summary>Watches the sessions of a shard, and what belongs to them, over all committed entries.</summary>
internal sealed class SessionLaws(SimWorld world)
{
    /// <summary>What ephemeral records are put under.</summary>
    internal const string Parent = "/session";

    private static readonly EncodedKeyRange _records = KeyOrder.Hierarchical.Encode(KeyRange.Children(Parent));
    private readonly Dictionary<Guid, HeldSession> _held = [];
    private HashSet<Guid> _open = [];
    private Dictionary<string, Guid> _ephemerals = [];   // Key to session.
    private long _servedTerm;

    internal HeldSession Hold(TimeSpan timeout)
    {
        var held = new HeldSession(world.NewId(), timeout);
        _held[held.Id] = held;
        return held;
    }

    /// <summary>A node leads and serves.</summary>
    internal void Served(long term) => _servedTerm = Math.Max(_servedTerm, term);

    internal KeepAliveMoment MomentOf(HeldSession session) => new(world.Now, session.IsOpen, session.Ends, _servedTerm);

    /// <summary>A node that leads a term has said that a session lives, or that it does not.</summary>
    internal void Answered(int node, long term, HeldSession session, in KeepAliveMoment before, bool isAlive)
    {
        if (!isAlive)
        {
            bool isKnownToEnd = session.Ends > 0 || session.IsClosing || world.Now >= session.Deadline;
            SimWorld.Require(isKnownToEnd || !before.IsOpen, $"node {node} says that session {session.Id} is over, which is kept alive until {session.Deadline}");
            return;
        }

        bool wasOver = !before.IsOpen && !session.IsOpen && before.Ends > 0;
        SimWorld.Require(!wasOver, $"node {node} confirms a keep-alive of session {session.Id}, which was over when it came");
        SimWorld.Require(term >= before.ServedTerm, $"node {node} confirms a keep-alive in term {term}, and {before.ServedTerm} was served when it came");
        if (session.IsOpen && session.Ends == before.Ends && before.Arrived > session.Confirmed) session.Confirmed = before.Arrived;
        world.Count("keep-alive");
    }

    /// <summary>An entry was committed, and this is the state after it.</summary>
    internal void Applied(KvMachine machine, KvCommand command, long offset)
    {
        bool isAboutSessions = command is KvCommand.OpenSession or KvCommand.CloseSession or KvCommand.ExpireSessions;
        SimWorld.Require(isAboutSessions || machine.Counters.Sessions == _open.Count, $"entry {offset}, {command}, changes sessions");
        HashSet<Guid> open = isAboutSessions ? [.. machine.Sessions.All().Select(session => session.Session)] : _open;
        foreach (Guid session in open.Except(_open)) Opened(session);
        Guid[] ended = [.. _open.Except(open)];
        foreach (Guid session in ended) Ended(session, command, offset);
        _open = open;
        LookAtRecords(machine, ended, command, offset);
    }

    /// <summary>Nobody keeps any session alive any more, and none has been for long.</summary>
    internal void CheckEnd()
    {
        SimWorld.Require(_open.Count == 0, $"{_open.Count} sessions live on, and nobody keeps them alive");
        SimWorld.Require(_ephemerals.Count == 0, $"{_ephemerals.Count} ephemeral records are left over");
    }

    private void Opened(Guid id)
    {
        if (!_held.TryGetValue(id, out HeldSession? session)) return;
        (session.IsOpen, session.Confirmed) = (true, world.Now);
        world.Count("session opened");
    }

    private void Ended(Guid id, KvCommand command, long offset)
    {
        if (!_held.TryGetValue(id, out HeldSession? session)) return;
        if (command == KvCommand.CloseSession)
            SimWorld.Require(session.IsClosing, $"entry {offset} closes session {id}, and nobody asked for it");
        else
            SimWorld.Require(world.Now >= session.Deadline, $"entry {offset} ends session {id} of {session.Timeout}, whose keep-alive of {session.Confirmed} was confirmed");
        session.IsOpen = false;
        session.Ends++;
        world.Count(command == KvCommand.CloseSession ? "session closed" : "session expired");
    }

    /// <summary>What belongs to a session goes with it, and nothing else does.</summary>
    private void LookAtRecords(KvMachine machine, Guid[] ended, KvCommand command, long offset)
    {
        if (command is not (KvCommand.Write or KvCommand.CloseSession or KvCommand.ExpireSessions or KvCommand.ExpireRecords)) return;
        Dictionary<string, Guid> found = [];
        using (var scan = new RecordScan(StateReader.Open(machine.Table), _records, isReverse: false))
        {
            while (scan.MoveNext())
            {
                var record = new StoreRecord(KeyOrder.Hierarchical.Decode(scan.EncodedKey), scan.Row);
                if (record.SessionId is { } session) found[record.Key.ToString()] = session;
            }
        }

        foreach ((string key, Guid session) in found) SimWorld.Require(_open.Contains(session), $"after entry {offset} there is {key} without its session {session}");
        if (command != KvCommand.Write)
        {
            foreach ((string key, Guid session) in _ephemerals)
                SimWorld.Require(found.ContainsKey(key) || ended.Contains(session), $"entry {offset}, {command}, removes {key}, whose session {session} lives");
        }

        _ephemerals = found;
    }
}
