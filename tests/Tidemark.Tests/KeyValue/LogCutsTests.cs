using System.Buffers;

using Tidemark.Core.Engines;
using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Tests.KeyValue;

/// <summary>What the entries of a cut do to the state: docs/compaction.md.</summary>
public sealed class LogCutsTests : IDisposable
{
    private static readonly KvIdentity _identity = new(new Guid("00112233445566778899aabbccddeeff"), 3);

    private readonly KvMachine _machine = New();
    private long _offset;

    public LogCutsTests() => Assert.Equal(StoreStatus.Ok, Apply(KvCommand.Configure, output => KvSettings.Of(new NamespaceOptions()).Write(output)));

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_wish_is_noted_until_a_generation_begins_behind_it()
    {
        Assert.Equal((0L, _identity.LogId), (_machine.Generation.Number, _machine.Generation.LogId));
        Put("a");
        CutAnswer wished = Cut();
        Assert.Equal((StoreStatus.Ok, _offset - 1, 0L), (wished.Status, wished.Wish, wished.Current.Number));
        Assert.Equal(wished.Wish, _machine.Cuts.Wish);
        Assert.Equal(wished, Cut(wished.Wish));   // Not yet.

        Generation next = NextAt(Mark());
        Assert.Equal(StoreStatus.Ok, EndLog(next));
        Assert.Null(_machine.Cuts.Wish);
        Assert.Equal(next, _machine.Generation);
        Assert.Equal(new CutAnswer(StoreStatus.Ok, null, next), Cut(wished.Wish));
    }

    [Fact]
    public void Where_nothing_came_since_the_last_cut_none_is_wished_for()
    {
        Put("a");
        long? wish = Cut().Wish;
        Generation first = NextAt(Mark());
        Cut(wish);   // It asks again meanwhile.
        EndLog(first);
        for (int i = 0; i < 3; i++) Assert.Equal(new CutAnswer(StoreStatus.Ok, null, first), Cut());
        Put("b");
        Assert.NotNull(Cut().Wish);
    }

    [Fact]
    public void What_was_written_between_the_mark_and_the_end_of_log_is_worth_another_cut()
    {
        long? wish = Cut().Wish;
        Generation first = NextAt(Mark());
        Put("between");
        Cut(wish);
        EndLog(first);
        Assert.NotNull(Cut().Wish);
    }

    [Fact]
    public void A_wish_behind_the_mark_outlives_the_generation()
    {
        Cut();
        Generation first = NextAt(Mark());
        Put("a");
        long? later = Cut().Wish;
        EndLog(first);
        Assert.Equal((1L, later), (_machine.Generation.Number, _machine.Cuts.Wish));
    }

    [Fact]
    public void An_end_of_log_that_is_not_the_next_or_lies_ahead_has_no_effect()
    {
        Put("a");
        Generation first = NextAt(Mark());
        Assert.Equal(StoreStatus.Ok, EndLog(first));
        StateHash before = _machine.Hash;
        Generation second = NextAt(Mark());
        Assert.Equal(StoreStatus.VersionMismatch, EndLog(first));
        Assert.Equal(StoreStatus.VersionMismatch, EndLog(second with { Number = 3 }));
        Assert.Equal(StoreStatus.VersionMismatch, EndLog(second with { Base = first.Base }));
        Assert.Equal(StoreStatus.VersionMismatch, EndLog(second with { Base = second.Base with { Offset = _offset } }));
        Assert.Equal(before, _machine.Hash);
        Assert.Equal(StoreStatus.Ok, EndLog(second));
    }

    [Fact]
    public void The_same_history_gives_the_same_id_and_another_does_not()
    {
        Put("a");
        StatePosition mark = Mark();
        Generation next = NextAt(mark);
        Assert.Equal(next.LogId, _machine.Generation.Next(mark, _machine.Hash).LogId);
        Assert.NotEqual(next.LogId, _machine.Generation.LogId);
        Assert.NotEqual(next.LogId, _machine.Generation.Next(mark with { Offset = mark.Offset + 1 }, _machine.Hash).LogId);
        Assert.NotEqual(next.LogId, _machine.Generation.Next(mark, _machine.Hash.With("k"u8, "v"u8)).LogId);
    }

    [Fact]
    public void The_newest_generations_are_remembered_and_go_with_a_snapshot()
    {
        for (int i = 0; i < 12; i++)
        {
            Put($"{i}");
            Assert.Equal(StoreStatus.Ok, EndLog(NextAt(Mark())));
        }

        Cut();
        Assert.Equal(Enumerable.Range(5, 8).Select(number => (long)number), _machine.Generations.Select(generation => generation.Number));
        using KvMachine copy = New();
        using (IStateSnapshot snapshot = _machine.TakeSnapshot())
        {
            var pieces = new List<ReadOnlyMemory<byte>>();
            for (var piece = new ArrayBufferWriter<byte>(); snapshot.WriteNext(piece); piece = new ArrayBufferWriter<byte>()) pieces.Add(piece.WrittenMemory);
            copy.Restore(pieces, snapshot.Position);
        }

        Assert.Equal(_machine.Generations, copy.Generations);
        Assert.Equal((_machine.Cuts.Wish, _machine.Cuts.Written, _machine.Cuts.QuietTo, _machine.Hash), (copy.Cuts.Wish, copy.Cuts.Written, copy.Cuts.QuietTo, copy.Hash));
    }

    [Fact]
    public void What_is_no_cut_or_end_of_log_changes_nothing()
    {
        Put("a");
        Cut();
        LogCuts before = _machine.Cuts;
        Generation next = NextAt(Mark());
        var whole = new ArrayBufferWriter<byte>();
        Write(whole, next);
        foreach (byte[] payload in (byte[][])[[], [0x91], [0x92, 0xC0, 0xC0], whole.WrittenSpan[..^1].ToArray(), [.. whole.WrittenSpan, 0]])
        {
            Assert.Equal(StoreStatus.Malformed, CutAnswer.Read(Answer(KvCommand.Cut, output => output.Write(payload))).Status);
            Assert.Equal(StoreStatus.Malformed, Apply(KvCommand.EndLog, output => output.Write(payload)));
        }

        Assert.Same(before, _machine.Cuts);
    }

    /// <summary>Written by a later version, which adds up otherwise: what it says cannot be compared with anything here. The wish stays, and entries go on.</summary>
    [Fact]
    public void An_end_of_log_with_a_hash_of_an_unknown_algorithm_is_refused_and_changes_nothing()
    {
        Put("a");
        Cut();
        (ArrayBufferWriter<byte> whole, ArrayBufferWriter<byte> hash) = (new(), new());
        Generation next = NextAt(Mark());
        Write(whole, next);
        var writer = new MessagePackWriter(hash);
        next.Hash.WriteArray(ref writer);
        writer.Flush();
        byte[] later = whole.WrittenSpan.ToArray();
        Assert.Equal(StateHash.Algorithm, later[^(hash.WrittenCount + 1)]);
        later[^(hash.WrittenCount + 1)]++;

        (LogCuts cuts, StateHash before) = (_machine.Cuts, _machine.Hash);
        Assert.Equal(StoreStatus.Malformed, Apply(KvCommand.EndLog, output => output.Write(later)));
        Assert.Same(cuts, _machine.Cuts);
        Assert.Equal(before, _machine.Hash);
        Put("b");
        Assert.Equal(StoreStatus.Ok, EndLog(NextAt(Mark())));
    }

    [Fact]
    public void The_leader_says_the_end_of_log_once_a_majority_agreed_behind_the_wish_and_cuts_unasked_where_the_log_is_long()
    {
        var leader = new KvLeader(_machine, DateTimeOffset.UnixEpoch, cutLogBytes: 1_000);
        List<(ushort Kind, byte[] Payload)> due = [];
        leader.Weigh(logBytes: 999, stateBytes: 0);
        leader.Tick(DateTimeOffset.UnixEpoch, due);
        leader.Weigh(logBytes: 1_500, stateBytes: 2_000);   // The state is longer than the log.
        leader.Tick(DateTimeOffset.UnixEpoch, due);
        Assert.Empty(due);
        Assert.Equal(-1, leader.MarkWanted);

        leader.Weigh(logBytes: 2_000, stateBytes: 2_000);
        leader.Tick(DateTimeOffset.UnixEpoch, due);
        leader.Tick(DateTimeOffset.UnixEpoch, due);
        Assert.Equal((ushort)KvCommand.Cut, Assert.Single(due).Kind);
        StatePosition early = Mark();
        StateHash earlier = _machine.Hash;
        Answer(KvCommand.Cut, output => output.Write(due[0].Payload));
        leader.Ended((ushort)KvCommand.Cut, isApplied: true, default);
        Assert.Equal(_machine.Cuts.Wish, leader.MarkWanted);
        leader.Agreed(early, earlier);   // Before the wish.
        due.Clear();
        leader.Tick(DateTimeOffset.UnixEpoch, due);
        Assert.Empty(due);

        StatePosition mark = Mark();
        Generation next = NextAt(mark);
        leader.Agreed(mark, _machine.Hash);
        Assert.Equal((-1L, 0L), (leader.MarkWanted, leader.NextDue));
        leader.Tick(DateTimeOffset.UnixEpoch, due);
        leader.Tick(DateTimeOffset.UnixEpoch, due);
        Assert.Equal((ushort)KvCommand.EndLog, Assert.Single(due).Kind);
        Assert.Equal(StoreStatus.Ok, Apply(KvCommand.EndLog, output => output.Write(due[0].Payload)));
        Assert.Equal(next, _machine.Generation);
        leader.Ended((ushort)KvCommand.EndLog, isApplied: true, default);
        leader.Weigh(logBytes: 0, stateBytes: 2_000);
        due.Clear();
        leader.Tick(DateTimeOffset.UnixEpoch, due);
        Assert.Empty(due);
    }

    private static KvMachine New() => new(StorageEngine.Memory.Open(""), _identity);

    private static void Write(IBufferWriter<byte> output, Generation generation)
    {
        var writer = new MessagePackWriter(output);
        generation.Write(ref writer);
        writer.Flush();
    }

    private Generation NextAt(StatePosition mark) => _machine.Generation.Next(mark, _machine.Hash);

    /// <summary>An entry that no machine sees.</summary>
    private StatePosition Mark() => At(_offset++);

    private void Put(string key) => Assert.Equal(StoreStatus.Ok, Apply(KvCommand.Write, output => CommandWriter.WritePut(output, null, new StoreKey(key).Span, "v"u8, default)));

    private CutAnswer Cut(long? before = null) => CutAnswer.Read(Answer(KvCommand.Cut, new CutCommand(before).Write));

    private StoreStatus EndLog(Generation generation) => Apply(KvCommand.EndLog, output => Write(output, generation));

    private StoreStatus Apply(KvCommand command, Action<IBufferWriter<byte>> write) => KvAnswer.ReadSingle(Answer(command, write), out _).Status;

    private byte[] Answer(KvCommand command, Action<IBufferWriter<byte>> write)
    {
        (ArrayBufferWriter<byte> payload, ArrayBufferWriter<byte> answer) = (new(), new());
        write(payload);
        _machine.Apply(new StateEntry(At(_offset++), (ushort)command, payload.WrittenMemory), answer);
        return answer.WrittenSpan.ToArray();
    }

    private static StatePosition At(long offset) => new(1, offset, new HybridTimestamp((ulong)(offset + 1) << 16));
}
