using Tidemark.Core.KeyValue;
using Tidemark.Storage.State;
using Tidemark.Tests.KeyValue.Model;

namespace Tidemark.Tests.Properties;

/// <summary>The same commands give the same state, byte for byte, whichever way a machine came by them.</summary>
public sealed class KvReplicaProperties
{
    [Fact]
    public void A_second_machine_and_one_restored_from_a_snapshot_on_the_way_end_in_the_same_bytes() => ForAllLogs((order, random, commands) =>
    {
        using var first = new KvMachine(new MemoryEngine(), MachineRun.Identity);
        var restored = new KvMachine(new MemoryEngine(), MachineRun.Identity);
        var run = new MachineRun(order);
        int[] restoreAt = [random.Next(commands.Count), random.Next(commands.Count)];
        for (int i = 0; i < commands.Count; i++)
        {
            RunEntry entry = run.Append(commands[i]);
            MachineRun.Apply(first, entry);
            MachineRun.Apply(restored, entry);
            if (!restoreAt.Contains(i)) continue;
            List<byte[]> pieces = MachineRun.Pieces(restored);
            bool isLayered = restored.Table.IsVolatile && random.Next(2) == 0;   // Also from memory to an engine, and back.
            StatePosition position = restored.Position;
            restored.Dispose();
            restored = new KvMachine(isLayered ? new ScratchEngine() : new MemoryEngine(), MachineRun.Identity);
            restored.Restore(pieces.Select(piece => new ReadOnlyMemory<byte>(piece)), position);
            MachineCheck.Sums(restored, run.Model);
            MachineCheck.Reads(restored, run.Model, random);
        }

        AssertAlike(first, restored);
        MachineCheck.Reads(restored, run.Model, random);
        restored.Dispose();
    });

    [Fact]
    public void Over_an_engine_with_parts_on_their_way_to_it_and_reopenings_everything_is_as_in_memory() => ForAllLogs((order, random, commands) =>
    {
        using var first = new KvMachine(new MemoryEngine(), MachineRun.Identity);
        using var layered = new LayeredMachine(random);
        var run = new MachineRun(order);
        foreach (ModelCommand command in commands)
        {
            RunEntry entry = run.Append(command);
            MachineRun.Apply(first, entry);
            MachineRun.Apply(layered.Machine, entry);
            layered.Step(run.Log);
            MachineCheck.Sums(layered.Machine, run.Model);
            if (random.Next(40) == 0) MachineCheck.Reads(layered.Machine, run.Model, random);
        }

        AssertAlike(first, layered.Machine);
        MachineCheck.Reads(layered.Machine, run.Model, random);
    });

    [Fact]
    public void A_reader_that_was_opened_before_sees_the_state_of_that_moment_whatever_is_handed_over_meanwhile() => ForAllLogs((order, random, commands) =>
    {
        using var layered = new LayeredMachine(random);
        var run = new MachineRun(order);
        IStateSnapshot? taken = null;
        List<byte[]> then = [];
        foreach (ModelCommand command in commands)
        {
            MachineRun.Apply(layered.Machine, run.Append(command));
            layered.Step(run.Log, mayReopen: false);
            if (random.Next(10) > 0) continue;
            if (taken is not null)
            {
                Assert.Equal(then, MachineRun.Pieces(taken));
                taken.Dispose();
            }

            then = MachineRun.Pieces(layered.Machine);
            taken = layered.Machine.TakeSnapshot();
        }

        taken?.Dispose();
    });

    private static void AssertAlike(KvMachine left, KvMachine right)
    {
        Assert.Equal(left.Position, right.Position);
        Assert.Equal(left.Hash, right.Hash);
        Assert.Equal(left.ContentHash, right.ContentHash);
        byte[][] pieces = [.. MachineRun.Pieces(left)];
        Assert.Equal(pieces, MachineRun.Pieces(right));
    }

    private static void ForAllLogs(Action<KeyOrder, Random, IReadOnlyList<ModelCommand>> check)
    {
        for (int seed = 1; seed <= Soak.Times(12); seed++)
        {
            int of = seed;
            KeyOrder order = seed % 2 == 0 ? KeyOrder.Natural : KeyOrder.Hierarchical;
            MachineRun.Check(order, seed, 250, commands => check(order, new Random(of), commands));
        }
    }

    /// <summary>A machine over an engine: every now and then a part is put aside, written, refused for want of room, or lost with a reopening.</summary>
    private sealed class LayeredMachine : IDisposable
    {
        private readonly Random _random;
        private readonly ScratchEngine _engine = new();
        private EngineKeeper _keeper;
        private StateJob? _job;
        private bool _isRun;

        internal LayeredMachine(Random random)
        {
            _random = random;
            Machine = new KvMachine(_engine, MachineRun.Identity);
            _keeper = new EngineKeeper(Machine, flushBytes: 1);
        }

        internal KvMachine Machine { get; private set; }

        internal void Step(List<RunEntry> log, bool mayReopen = true)
        {
            switch (_random.Next(12))
            {
                case 0 or 1 when _job is null:
                    _job = _keeper.Begin(0, isClosing: false);
                    break;
                case 2 or 3 when _job is not null && !_isRun:
                    _engine.FullWrites = _random.Next(4) == 0 ? 1 : 0;
                    _job.Run(null);
                    Assert.Equal(0, _engine.FullWrites);
                    _isRun = true;
                    break;
                case 4 or 5 when _isRun:
                    _keeper.End(_job!);
                    (_job, _isRun) = (null, false);
                    break;
                case 6 when mayReopen && _random.Next(3) == 0:
                    Machine.Dispose();
                    Machine = new KvMachine(_engine, MachineRun.Identity);
                    _keeper = new EngineKeeper(Machine, flushBytes: 1);
                    (_job, _isRun) = (null, false);
                    Assert.Equal(_engine.AppliedOffset, Machine.Position.Offset);
                    foreach (RunEntry entry in log.Skip((int)_engine.AppliedOffset + 1)) MachineRun.Apply(Machine, entry);
                    break;
            }
        }

        public void Dispose() => Machine.Dispose();
    }
}
