using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication;

/// <summary>The rules of docs/protocol.md one by one, on one core that is told everything by hand.</summary>
public sealed class ReplicaCoreTests
{
    private const int Election = 9;
    private static readonly Quorum _three = new([0, 1, 2]);

    private readonly List<Effect> _effects = [];

    [Fact]
    public void Figure_8_an_entry_of_an_old_term_on_a_majority_is_committed_by_one_of_the_own_term_alone()
    {
        ReplicaCore core = Leader(term: 4, [(1, 1), (2, 1)], new MemberHead(1, 1, new LogHead(1, 0)), new MemberHead(2, 1, new LogHead(1, 0)));
        Assert.Equal(new LogHead(4, 2), core.Log.Head);
        Flush(core);
        Assert.DoesNotContain(Step(core, 1, new Ack(4, 1, Durable: 2, IsLost: false, 0)), effect => effect.Kind == EffectKind.Commit);   // 2:1 is on a majority now.
        Effect[] committed = Step(core, 1, new Ack(4, 1, Durable: 3, IsLost: false, 0));
        Assert.Contains(new Effect(EffectKind.Commit, 0, 3), committed);
        Assert.True(Array.FindIndex(committed, effect => effect.Kind == EffectKind.Apply) < Array.FindIndex(committed, effect => effect.Kind == EffectKind.Answer));
        Assert.True(core.IsServing);
    }

    [Fact]
    public void Partitioned_old_leader_answers_no_read_and_gives_up_what_it_led_when_it_hears_of_a_term()
    {
        ReplicaCore core = Serving();
        Assert.Equal(0, core.Read());
        Assert.DoesNotContain(EndTurn(core), effect => effect.Kind == EffectKind.AnswerReads);
        for (int i = 0; i < 5; i++) Assert.DoesNotContain(Do(core, core.Tick), effect => effect.Kind == EffectKind.AnswerReads);
        Effect[] fenced = Step(core, Election, new NewTerm(3));
        Assert.Equal([EffectKind.Abandon, EffectKind.Save], fenced.Select(effect => effect.Kind));
        Assert.Empty(Step(core, 1, new Ack(2, 1, 1, IsLost: false, 9)));   // Of the term before: too late.
        Assert.Equal(-1, core.Read());
    }

    [Fact]
    public void Of_states_at_one_mark_the_minority_is_quarantined_once_a_majority_agrees_the_leader_too()
    {
        var own = new StateHash(1, 1, 1);
        var other = new StateHash(2, 2, 1);
        ReplicaCore core = Serving();
        Assert.Empty(Do(core, effects => core.Marked(1, own, effects)));
        Assert.False(core.HasCompared);
        Assert.Empty(Step(core, 1, new StateAtMark(2, 1, 1, other)));
        Assert.Equal(new Quarantine(2, 1, 1), Sent(Step(core, 2, new StateAtMark(2, 1, 1, own)), to: 1));
        Assert.True(core.HasCompared);

        Assert.Empty(Do(core, effects => core.Marked(5, own, effects)));
        Assert.Empty(Step(core, 1, new StateAtMark(2, Run: 7, 5, other)));   // Of a run that is not attached.
        Assert.Empty(Step(core, 1, new StateAtMark(1, 1, 5, other)));        // Of another term.
        Assert.Empty(Step(core, 1, new StateAtMark(2, 1, 5, other)));
        Assert.Equal([new Effect(EffectKind.Quarantine, 5)], Step(core, 2, new StateAtMark(2, 1, 5, other)));
    }

    /// <summary>One differs, is quarantined, and comes back with another state in its next run; then somebody says again what its state was at that mark. The first was told once more, in its new run, and stopped for good.</summary>
    [Fact]
    public void Who_came_back_is_not_judged_by_what_its_earlier_run_said()
    {
        ReplicaCore core = Serving();
        var own = new StateHash(1, 1, 1);
        Do(core, effects => core.Marked(0, own, effects));
        Step(core, 1, new StateAtMark(2, 1, 0, new StateHash(2, 2, 1)));
        Assert.IsType<Quarantine>(Sent(Step(core, 2, new StateAtMark(2, 1, 0, own)), to: 1));
        Step(core, 1, new Ack(2, Run: 2, 1, IsLost: true, 0));
        Assert.DoesNotContain(Step(core, 2, new StateAtMark(2, 1, 0, own)), effect => effect.Message is Quarantine);
    }

    [Fact]
    public void Where_all_have_said_and_no_majority_has_one_state_the_leader_stops()
    {
        ReplicaCore core = Serving();
        Do(core, effects => core.Marked(1, new StateHash(1, 1, 1), effects));
        Assert.Empty(Step(core, 1, new StateAtMark(2, 1, 1, new StateHash(2, 2, 1))));
        Assert.Equal([new Effect(EffectKind.StopDivided, 1)], Step(core, 2, new StateAtMark(2, 1, 1, new StateHash(3, 3, 1))));
    }

    [Fact]
    public void A_follower_that_is_quarantined_in_this_run_and_by_its_leader_does_nothing_any_more()
    {
        ReplicaCore core = Fenced(node: 1, term: 2, (2, 1));
        Step(core, 0, new Append(2, new LogHead(2, 0), [], 1, 1));
        Assert.Equal(new StateAtMark(2, 1, 0, default), Sent(Do(core, effects => core.Marked(0, default, effects)), to: 0));
        Assert.Empty(Step(core, 2, new Quarantine(2, 1, 0)));
        Assert.Empty(Step(core, 0, new Quarantine(2, 7, 0)));
        Assert.Equal([new Effect(EffectKind.Quarantine, 0)], Step(core, 0, new Quarantine(2, 1, 0)));
        Assert.Empty(Step(core, 0, new NewTerm(3)));
    }

    [Fact]
    public void Reads_of_a_turn_share_a_round_and_only_one_that_began_after_them_answers()
    {
        ReplicaCore core = Serving();
        Do(core, core.Tick);
        Append before = Assert.IsType<Append>(Sent(Do(core, core.Tick), to: 1));
        Assert.Equal((0, 1), (core.Read(), core.Read()));
        Append round = Assert.IsType<Append>(Sent(EndTurn(core), to: 1));
        Assert.True(round.Round > before.Round);
        Assert.DoesNotContain(Step(core, 1, new Ack(2, 1, 1, IsLost: false, before.Round)), effect => effect.Kind == EffectKind.AnswerReads);
        Assert.Contains(new Effect(EffectKind.AnswerReads, To: 2), Step(core, 1, new Ack(2, 1, 1, IsLost: false, round.Round)));
    }

    [Fact]
    public void A_leader_applies_nothing_that_is_not_in_its_own_log_for_good()
    {
        ReplicaCore core = Leader(term: 2, [], new MemberHead(1, 1, LogHead.None), new MemberHead(2, 1, LogHead.None));
        Assert.DoesNotContain(Step(core, 1, new Ack(2, 1, 1, IsLost: false, 0)), effect => effect.Kind == EffectKind.Apply);
        Assert.DoesNotContain(Step(core, 2, new Ack(2, 1, 1, IsLost: false, 0)), effect => effect.Kind == EffectKind.Apply);
        Assert.Contains(new Effect(EffectKind.Apply, 0, 1), Flush(core));
    }

    [Fact]
    public void Logs_that_part_in_several_terms_are_brought_together_step_by_step()
    {
        ReplicaCore leader = Leader(term: 5, [(1, 2), (2, 3)], new MemberHead(1, 1, new LogHead(3, 3)));
        ReplicaCore follower = Fenced(node: 1, term: 5, (1, 2), (3, 2));
        Truncate first = Assert.IsType<Truncate>(leader.ToString().Contains("Truncating", StringComparison.Ordinal) ? Sent(Do(leader, leader.Tick), to: 1) : null);
        Assert.Equal((new LogHead(3, 3), new LogHead(2, 3)), (first.Found, first.To));
        Effect[] cut = Step(follower, 0, first);
        Assert.Contains(new Effect(EffectKind.Truncate, 2, 4), cut);
        Assert.Equal(Sent(cut, to: 0), Assert.Single(Step(follower, 0, first)).Message);   // The same once more, for a head it no longer has: nothing is cut, and the word said again.
        Truncated left = Assert.IsType<Truncated>(Sent(cut, to: 0));
        Assert.Equal(new LogHead(1, 1), left.Head);
        Append next = Assert.IsType<Append>(Sent(Step(leader, 1, left), to: 1));
        Assert.Equal(new LogHead(1, 1), next.Before);
        Assert.Equal([new TermRun(2, 2, 5), new TermRun(5, 5, 6)], next.Entries);
        Step(follower, 0, next);
        Assert.Equal(leader.Log.Runs, follower.Log.Runs);
    }

    [Fact]
    public void A_truncation_below_what_is_applied_stops_the_replica()
    {
        ReplicaCore core = Fenced(node: 1, term: 5, applied: 3, (1, 4));
        Assert.Equal([EffectKind.Stop], Step(core, 0, new Truncate(5, new LogHead(1, 3), new LogHead(1, 1))).Select(effect => effect.Kind));
        Assert.Empty(Step(core, Election, new NewTerm(6)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_head_is_answered_once_both_term_and_log_are_on_the_disk(bool isSavedFirst)
    {
        ReplicaCore core = Fenced(node: 1, term: 1);
        Step(core, 0, new Append(1, LogHead.None, [new TermRun(1, 0, 2)], Commit: 0, Round: 1));
        Assert.Equal([EffectKind.Save, EffectKind.Flush], Step(core, Election, new NewTerm(2)).Select(effect => effect.Kind));
        Action<List<Effect>>[] disk = [effects => core.Saved(2, false, effects), effects => core.Flushed(2, effects)];
        if (!isSavedFirst) Array.Reverse(disk);
        Assert.DoesNotContain(Do(core, disk[0]), effect => effect.Kind == EffectKind.Send);
        TermAnswer answer = Assert.IsType<TermAnswer>(Sent(Do(core, disk[1]), to: Election));
        Assert.Equal(new MemberHead(1, 1, new LogHead(1, 1)), answer.Member);
    }

    [Fact]
    public void A_fenced_replica_is_attached_at_its_head_and_nowhere_below()
    {
        ReplicaCore core = Fenced(node: 1, term: 2, (1, 3));
        Assert.Empty(Step(core, 0, new Append(2, new LogHead(1, 0), [new TermRun(2, 1, 5)], 0, 0)));   // Its 1:1 and 1:2 are another's.
        Assert.Equal(ReplicaRole.Fenced, core.Role);
        Step(core, 0, new Append(2, new LogHead(1, 2), [], 0, 0));
        Assert.Equal(ReplicaRole.Follower, core.Role);
    }

    [Fact]
    public void Who_restarts_in_a_term_does_not_lead_it()
    {
        ReplicaCore core = Start(node: 0, run: 2, term: 3, isLost: false, applied: 0, (1, 1));
        Assert.False(Assert.IsType<TermAnswer>(Sent(Step(core, Election, new NewTerm(3)), to: Election)).Member.MayLead);
        Assert.Empty(Step(core, Election, new BecomeLeader(3, _three, [])));
        Assert.Equal(ReplicaRole.Fenced, core.Role);
    }

    [Fact]
    public void A_lost_follower_counts_after_it_has_everything_and_has_written_that_down()
    {
        ReplicaCore core = Leader(term: 2, [(1, 2)], new MemberHead(1, 3, LogHead.None, IsLost: true), new MemberHead(2, 1, new LogHead(1, 1)));
        Flush(core);
        Step(core, 1, new Ack(2, 3, 3, IsLost: true, 0));
        Assert.False(core.IsServing);   // Two have it all, but only one of them counts.
        Step(core, 2, new Ack(2, 1, 3, IsLost: false, 0));
        Assert.True(core.IsServing);
        Restore restore = Assert.IsType<Restore>(Do(core, core.Tick).Single(effect => effect.Message is Restore).Message);
        Assert.Equal(3, restore.Run);

        ReplicaCore follower = Start(node: 1, run: 4, term: 2, isLost: true, applied: 0);
        Step(follower, 0, new Append(2, LogHead.None, [new TermRun(1, 0, 2), new TermRun(2, 2, 3)], Commit: 3, Round: 0));
        Flush(follower);
        Assert.Empty(Step(follower, 0, restore));   // That was for the run before, which had another disk.
        Assert.Contains(Step(follower, 0, restore with { Run = 4 }), effect => effect.Kind == EffectKind.Save);
        Assert.IsType<Restored>(Sent(Do(follower, effects => follower.Saved(2, false, effects)), to: 0));
    }

    [Fact]
    public void A_follower_skips_what_it_has_and_refuses_what_leaves_a_gap()
    {
        ReplicaCore core = Fenced(node: 1, term: 1);
        Assert.Empty(Step(core, 0, new Append(1, new LogHead(1, 1), [new TermRun(1, 2, 3)], 0, 0)));   // Not where its log ends: it may be another's.
        Step(core, 0, new Append(1, LogHead.None, [new TermRun(1, 0, 2)], 0, 0));
        Assert.DoesNotContain(Step(core, 0, new Append(1, new LogHead(1, 3), [new TermRun(1, 4, 5)], 0, 0)), effect => effect.Kind == EffectKind.Persist);
        Effect persisted = Step(core, 0, new Append(1, new LogHead(1, 0), [new TermRun(1, 1, 4)], 0, 0)).Single(effect => effect.Kind == EffectKind.Persist);
        Assert.Equal((2, 4), (persisted.From, persisted.To));
        Assert.Equal(4, Assert.IsType<Ack>(Sent(Flush(core), to: 0)).Durable);
    }

    [Fact]
    public void A_replica_behind_the_trimmed_log_is_given_the_state_and_goes_on_behind_it()
    {
        ReplicaCore leader = Serving();
        for (int i = 0; i < 5; i++) Do(leader, effects => Assert.True(leader.Propose(effects)));
        Flush(leader);
        Step(leader, 1, new Ack(2, 1, 6, IsLost: false, 0));
        leader.Trimmed(4);
        Install install = Assert.IsType<Install>(Sent(Step(leader, Election, new AddFollower(2, new MemberHead(2, 2, new LogHead(1, 7)))), to: 2));
        Assert.Equal(new LogHead(2, 5), install.Last);

        ReplicaCore follower = Start(node: 2, run: 2, term: 2, isLost: false, applied: 0, (1, 8));   // It went on alone, in a term nobody remembers.
        Assert.Equal(EffectKind.Fetch, Assert.Single(Step(follower, 0, install)).Kind);
        Effect[] replaced = Do(follower, effects => follower.Fetched(0, install, effects));
        Assert.Contains(replaced, effect => effect is { Kind: EffectKind.Replace, From: 6 });
        Assert.Equal((6, 6, 6), (follower.Log.Start, follower.Durable, follower.Applied));
        Append next = Assert.IsType<Append>(Sent(Do(leader, effects =>
        {
            leader.Step(2, Sent(replaced, to: 0), effects);
            leader.Propose(effects);
        }), to: 2));
        Assert.Equal((new LogHead(2, 5), 7), (next.Before, next.To));
    }

    [Theory]
    [InlineData(new[] { 0, 1, 2 }, new[] { 5, 9, 7 }, 7)]
    [InlineData(new[] { 0, 1, 2, 3 }, new[] { 5, 9, 7, 8 }, 7)]
    [InlineData(new[] { 0 }, new[] { 4 }, 4)]
    [InlineData(new[] { 0, 1, 2, 3, 4 }, new[] { 0, 0, 9, 8, 7 }, 7)]
    public void What_a_majority_has_reached(int[] ensemble, int[] reached, long agreed) => Assert.Equal(agreed, new Quorum(ensemble).Agreed(node => reached[node]));

    [Fact]
    public void While_an_ensemble_changes_both_majorities_are_asked()
    {
        var quorum = new Quorum([0, 1, 2], [1, 2, 3]);
        Assert.False(quorum.Holds(node => node is 0 or 1));
        Assert.False(quorum.Holds(node => node is 1 or 3));
        Assert.True(quorum.Holds(node => node is 0 or 1 or 3));
    }

    /// <summary>A leader of term 2 that two followers have acknowledged; it serves, and its log has the entry that began the term.</summary>
    private ReplicaCore Serving()
    {
        ReplicaCore core = Leader(term: 2, [], new MemberHead(1, 1, LogHead.None), new MemberHead(2, 1, LogHead.None));
        Flush(core);
        Step(core, 1, new Ack(2, 1, 1, IsLost: false, 0));
        Assert.True(core.IsServing);
        return core;
    }

    private ReplicaCore Leader(long term, (long Term, int Count)[] log, params MemberHead[] heads)
    {
        ReplicaCore core = Start(node: 0, run: 1, term: term - 1, isLost: false, applied: 0, log);
        Step(core, Election, new NewTerm(term));
        Do(core, effects => core.Saved(term, false, effects));
        Step(core, Election, new BecomeLeader(term, _three, heads));
        Assert.Equal(ReplicaRole.Leader, core.Role);
        return core;
    }

    private static ReplicaCore Fenced(int node, long term, params (long Term, int Count)[] log) => Fenced(node, term, applied: 0, log);

    private static ReplicaCore Fenced(int node, long term, long applied, params (long Term, int Count)[] log) => Start(node, 1, term, isLost: false, applied, log);

    private static ReplicaCore Start(int node, long run, long term, bool isLost, long applied, params (long Term, int Count)[] log)
    {
        var terms = new LogTerms(LogHead.None);
        foreach ((long of, int count) in log) terms.Append(of, count);
        return new ReplicaCore(new ReplicaStart(node, run, term, isLost, terms, applied));
    }

    private Effect[] Step(ReplicaCore core, int from, ReplicaMessage message) => Do(core, effects => core.Step(from, message, effects));

    private Effect[] Flush(ReplicaCore core) => Do(core, effects => core.Flushed(core.Log.End, effects));

    private Effect[] EndTurn(ReplicaCore core) => Do(core, _ => { });

    private Effect[] Do(ReplicaCore core, Action<List<Effect>> step)
    {
        _effects.Clear();
        step(_effects);
        core.EndTurn(_effects);
        return [.. _effects];
    }

    private static ReplicaMessage Sent(Effect[] effects, int to) => effects.First(effect => effect.Kind == EffectKind.Send && effect.Node == to).Message!;
}
