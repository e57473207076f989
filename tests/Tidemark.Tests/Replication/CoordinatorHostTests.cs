using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Replication;

/// <summary>A coordinator whose store and replicas are played by hand.</summary>
public sealed class CoordinatorHostTests
{
    private static readonly CoordinatorTimes _times = CoordinatorTimes.Default;

    private readonly StatusCalls _calls = new();
    private readonly List<(int To, ShardMessage Message)> _sent = [];
    private ClusterStatus _stored = ClusterStatus.New(Guid.Empty, [1, 2, 3], [(0, [1, 2, 3]), (1, [1, 2, 3])]);
    private long _version = 1;
    private CoordinatorHost _host;
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public CoordinatorHostTests() => _host = New(1);

    [Fact]
    public void An_election_goes_from_a_new_term_to_a_leader_that_is_ready()
    {
        _stored = ClusterStatus.New(Guid.Empty, [1, 2, 3], [(0, [1, 2, 3])]);
        TickUntilWritten();
        Assert.Equal((1L, ShardStatus.Nobody), Wanted(0));
        Assert.Empty(_sent);   // Nobody is asked before the term is in the status.
        Store();
        Assert.Equal([(1, "NewTerm"), (2, "NewTerm"), (3, "NewTerm")], Sent());

        AnswerTerm(1, new LogHead(0, -1));
        AnswerTerm(2, new LogHead(0, 4));
        AnswerTerm(3, new LogHead(0, 3));
        Assert.Equal((1L, 2), Wanted(0));
        Assert.Empty(_sent);   // Nor is the leader told.
        Store();
        (int to, ShardMessage told) = Assert.Single(_sent);
        Assert.Equal((2, 0L, 1L, 3), (to, told.ShardId, told.Message.Term, ((BecomeLeader)told.Message).Heads.Count));

        _sent.Clear();
        _host.Take(2, new ShardMessage(0, new LeaderReady(1, IsSettled: true)));
        Tick(1, 2, 3);
        Assert.Equal([(1, "NewTerm"), (2, "NewTerm"), (3, "NewTerm")], Sent());   // Whoever was started again is fenced.
        Assert.Equal((0, 2), (_calls.Writes.Count, _host.Status!.Shards[0].Leader));
        Assert.True(_host.Change(0, [1, 2]));
        Assert.Equal([1, 2], ClusterStatus.Read(_calls.Writes[0].Content).Shards[0].Next);
    }

    [Fact]
    public void Where_shards_may_be_placed_is_written_and_the_last_node_stays()
    {
        _stored = _stored.With(2, new NodeStatus(5, "east", Keeps: false)).With(3, new NodeStatus(Keeps: false));
        TickUntilWritten();
        _host.TryRewrite(status => status.WithKeeps(2, true));
        Assert.Single(_calls.Writes);   // Another write is under way: it is to be asked again.
        Store();
        _host.TryRewrite(status => status.WithKeeps(2, true));
        Assert.Equal(new NodeStatus(5, "east", Keeps: true), ClusterStatus.Read(_calls.Writes[0].Content).NodeOf(2));
        Store();
        _host.TryRewrite(status => status.WithKeeps(1, false));
        Store();
        Assert.Throws<InvalidOperationException>(() => _host.TryRewrite(status => status.WithKeeps(2, false)));
        Assert.Equal([2], _host.Status!.Nodes.Where(node => node.Value.Keeps).Select(node => node.Key));
        var nine = ClusterStatus.New(Guid.Empty, Enumerable.Range(0, 9), []);
        Assert.Throws<LimitExceededException>(() => nine.WithKeeps(9, true));
        Assert.True((nine with { Replicas = 3 }).WithKeeps(9, true).NodeOf(9).Keeps);
    }

    [Fact]
    public void A_topic_brings_its_shards_elections_and_they_go_with_it()
    {
        _stored = ClusterStatus.New(Guid.Empty, [1, 2, 3], [(0, [1, 2, 3])]);
        TickUntilWritten();
        Store();
        var told = new List<bool>();
        Assert.True(_host.TryRewrite(status => status.WithTopic("t", Guid.Empty, new TopicOptions { Partitions = 2 }, static _ => true), told.Add));
        Assert.False(_host.TryRewrite(static status => status));   // Another write is under way: it is to be asked again.
        Store();
        Assert.Equal([true], told);
        Assert.Equal([1L, 2L], _host.Status!.Topics["t"].Shards);
        _sent.Clear();
        TickUntilWritten();
        Assert.All([1L, 2L], shard => Assert.Equal(1, ClusterStatus.Read(_calls.Writes[0].Content).Shards[shard].Term));   // Their elections have begun.

        // Another deletes the topic first: what the elections wanted written is not, or the shards were back.
        _stored = _host.Status.WithoutTopic("t");
        _version++;
        Refuse();
        Answer();
        for (int i = 0; i < 20; i++) Tick(1, 2, 3);
        Assert.Equal([0L], _host.Status!.Shards.Keys);
        Assert.All(_calls.Writes, write => Assert.Equal([0L], ClusterStatus.Read(write.Content).Shards.Keys));
        Assert.Equal(3, _host.Status.NextShard);
    }

    [Fact]
    public void What_several_shards_want_goes_into_one_write()
    {
        TickUntilWritten();
        Assert.Equal(((1L, ShardStatus.Nobody), (1L, ShardStatus.Nobody)), (Wanted(0), Wanted(1)));
        Store();
        Assert.Equal(6, _sent.Count);
        Assert.Empty(_calls.Writes);
    }

    [Fact]
    public void A_write_that_a_change_of_another_shard_came_before_is_made_again_over_it()
    {
        TickUntilWritten();
        string nonce = ClusterStatus.Read(_calls.Writes[0].Content).Shards[0].Nonce;
        _stored = _stored.With(1, new ShardStatus(5, 3, [1, 2, 3], null, "another"));
        _version = 7;
        Refuse();
        Assert.Equal(1, _calls.Reads);
        Answer();
        (byte[] content, long over) = Assert.Single(_calls.Writes);
        var again = ClusterStatus.Read(content);
        Assert.Equal((7L, 1L, nonce), (over, again.Shards[0].Term, again.Shards[0].Nonce));
        Assert.Equal((5L, 3, "another"), (again.Shards[1].Term, again.Shards[1].Leader, again.Shards[1].Nonce));
        Store();
        Assert.Equal([0L], _sent.Select(sent => sent.Message.ShardId).Distinct());
    }

    [Fact]
    public void A_write_that_a_change_of_the_same_shard_came_before_is_given_up()
    {
        _stored = ClusterStatus.New(Guid.Empty, [1, 2, 3], [(0, [1, 2, 3])]);
        TickUntilWritten();
        _stored = _stored.With(0, new ShardStatus(1, 3, [1, 2, 3], null, "another"));
        _version++;
        Refuse();
        Answer();
        Assert.Empty(_calls.Writes);
        Assert.Equal(3, _host.Status!.Shards[0].Leader);
        for (int i = 0; i < 8; i++) Tick(1, 2, 3);
        Assert.Empty(_calls.Writes);
        Assert.DoesNotContain(_sent, sent => sent.Message.Message is BecomeLeader);
    }

    [Fact]
    public void A_write_of_which_nobody_knows_is_found_by_its_nonce()
    {
        TickUntilWritten();
        _stored = ClusterStatus.Read(_calls.Writes[0].Content);
        _version++;
        Refuse();   // For all the coordinator is told.
        Assert.Empty(_sent);
        Answer();
        Assert.Empty(_calls.Writes);
        Assert.Equal(6, _sent.Count(sent => sent.Message.Message is NewTerm { Term: 1 }));
    }

    [Fact]
    public void A_write_that_is_never_answered_is_looked_for_after_a_while()
    {
        TickUntilWritten();
        _calls.Writes.Clear();
        for (int i = 0; i < 25 && _calls.Reads == 0; i++) Tick(1, 2, 3);
        Assert.Equal(1, _calls.Reads);
        Answer();
        TickUntilWritten();
        Assert.Equal((1L, ShardStatus.Nobody), Wanted(0));
    }

    /// <summary>
    /// A write was given up, another was under way, and the answer to the first came: it was taken for the second's. The coordinator went on as if its second write stood in the status,
    /// while the first did, or neither: with a term another could raise as well, two leaders of one term.
    /// </summary>
    [Fact]
    public void An_answer_that_may_be_of_a_write_that_was_given_up_is_not_believed()
    {
        TickUntilWritten();
        ClusterStatus first = ClusterStatus.Read(_calls.Writes[0].Content);
        _calls.Writes.Clear();
        for (int i = 0; i < 25 && _calls.Reads == 0; i++) Tick(1, 2, 3);
        Answer();
        TickUntilWritten();
        ClusterStatus second = ClusterStatus.Read(_calls.Writes[0].Content);
        Assert.NotEqual(first.Shards[0].Nonce, second.Shards[0].Nonce);

        _calls.Writes.Clear();
        _stored = first;   // It took its time, and came first after all.
        _host.Written(++_version);
        Assert.Empty(_sent);
        Assert.Equal(1, _calls.Reads);
        Answer();
        Assert.Equal(first.Shards[0].Nonce, _host.Status!.Shards[0].Nonce);
        Assert.DoesNotContain(_sent, sent => sent.Message.Message is BecomeLeader);

        Refuse();   // The second's answer.
        Answer();
        _sent.Clear();
        TickUntilWritten();
        Store();
        Assert.Equal(6, _sent.Count(sent => sent.Message.Message is NewTerm { Term: 2 }));   // From here on answers are believed again.
    }

    [Fact]
    public void A_leader_that_is_silent_is_suspected_and_one_that_is_heard_is_not()
    {
        _stored = _stored.With(0, new ShardStatus(3, 2, [1, 2, 3], null, "a")).With(1, new ShardStatus(3, 3, [1, 2, 3], null, "b"));
        Tick(1, 2, 3);
        Answer();
        for (int i = 0; i < 30; i++)
        {
            Tick(1, 2, 3);
            AnswerIfAsked();
            Assert.Empty(_calls.Writes);
        }

        TimeSpan silent = default;
        for (; _calls.Writes.Count == 0; silent += _times.Beat)
        {
            Tick(1, 3);
            AnswerIfAsked();
        }

        Assert.InRange(silent, _times.Suspicion, _times.Suspicion + (2 * _times.Beat));
        Assert.Equal(((4L, ShardStatus.Nobody), (3L, 3)), (Wanted(0), Wanted(1)));
    }

    [Fact]
    public void The_lowest_node_that_lives_acts_and_the_others_only_look()
    {
        _host = New(2);
        for (int i = 0; i < 100; i++)
        {
            Tick(1, 3);
            AnswerIfAsked();
            Assert.Empty(_calls.Writes);
        }

        Assert.Empty(_sent);
        _stored = _stored.With(1, new ShardStatus(2, 3, [1, 2, 3], null, "of node 1"));
        _version++;
        for (int i = 0; i < 12; i++)
        {
            Tick(1, 3);
            AnswerIfAsked();
        }

        Assert.Equal(3, _host.Status!.Shards[1].Leader);   // It has looked.
        for (int i = 0; i < 60 && _calls.Writes.Count == 0; i++)
        {
            Tick(3);
            AnswerIfAsked();
        }

        Assert.Equal((1L, ShardStatus.Nobody), Wanted(0));
    }

    [Fact]
    public void A_store_that_cannot_be_read_is_asked_again_with_the_next_beat_and_not_before()
    {
        Tick(1);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(1, _calls.Reads);
            _calls.Reads = 0;
            _host.NotRead();
            Assert.Equal(0, _calls.Reads);
            Tick(1);
        }

        Answer();
        Assert.NotNull(_host.Status);
    }

    [Fact]
    public void A_document_that_was_heard_of_is_read_at_once_and_one_that_is_known_is_not()
    {
        TickUntilWritten();
        _host.Heard(_version + 1);   // Its own, or one that came first: the answer to the write tells.
        Assert.Equal(0, _calls.Reads);
        Store();
        _host.Heard(_version);
        Assert.Equal(0, _calls.Reads);

        (_stored, _version) = (_stored.With(7, new NodeStatus(1)), _version + 1);
        _host.Heard(_version);
        _host.Heard(_version);
        Answer();
        Assert.Equal(1, _host.Status!.NodeOf(7).Run);
        Assert.Equal(0, _calls.Reads);
    }

    private CoordinatorHost New(int node) => new(node, $"{node}.1", _times, (to, message) => _sent.Add((to, message)), _calls);

    private void Tick(params int[] heard)
    {
        _now += _times.Beat;
        foreach (int node in heard) _host.Heard(node, _now);
        _host.Tick(_now);
    }

    private void TickUntilWritten()
    {
        for (int i = 0; i < 60 && _calls.Writes.Count == 0; i++)
        {
            Tick(1, 2, 3);
            AnswerIfAsked();
        }

        Assert.Single(_calls.Writes);
        _sent.Clear();
    }

    private void AnswerIfAsked()
    {
        if (_calls.Reads > 0) Answer();
    }

    private void Answer()
    {
        Assert.Equal(1, _calls.Reads);
        _calls.Reads = 0;
        _host.Read(new ClusterStatusEntry(_stored.ToBytes(), _version));
    }

    private void Store()
    {
        (byte[] content, long over) = Assert.Single(_calls.Writes);
        Assert.Equal(_version, over);
        _calls.Writes.Clear();
        (_stored, _version) = (ClusterStatus.Read(content), _version + 1);
        _host.Written(_version);
    }

    private void Refuse()
    {
        _calls.Writes.Clear();
        _host.NotWritten();
    }

    private (long Term, int Leader) Wanted(long shard)
    {
        ShardStatus status = ClusterStatus.Read(Assert.Single(_calls.Writes).Content).Shards[shard];
        return (status.Term, status.Leader);
    }

    private void AnswerTerm(int node, LogHead head) => _host.Take(node, new ShardMessage(0, new TermAnswer(1, new MemberHead(node, 1, head))));

    private List<(int To, string Kind)> Sent()
    {
        List<(int, string)> sent = [.. _sent.Select(sent => (sent.To, sent.Message.Message.GetType().Name))];
        _sent.Clear();
        return sent;
    }

    private sealed class StatusCalls : IStatusCalls
    {
        internal int Reads { get; set; }

        internal List<(byte[] Content, long Over)> Writes { get; } = [];

        public void Read() => Reads++;

        public void Write(byte[] content, long over) => Writes.Add((content, over));
    }
}
