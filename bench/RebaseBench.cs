using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics;

using Tidemark.Core.Engines;
using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;

namespace Tidemark.Bench;

/// <summary>A local store's timeline run again after its base has moved by one record: blind puts, and puts that read first; beside them the same puts into a bare tree.</summary>
/// <remarks>One operation is one pending mutation. The base has 100,000 records of 100 bytes; each mutation puts one of 16 bytes somewhere among them.</remarks>
internal static class RebaseBench
{
    private const int Records = 100_000;

    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (bool reads in (bool[])[false, true])
        {
            foreach (int pending in (int[])[1, 10, 100, 1_000, 10_000]) yield return Measure(options, pending, reads);
        }
    }

    private static BenchRow Measure(BenchOptions options, int pending, bool reads)
    {
        Mutators mutators = Mutators.Empty.Add("put", 1, new NumberSerializer(), (context, number) =>
        {
            if (reads && context.TryGet(Key(number + 1), out ReadOnlyMemory<byte> found) && found.IsEmpty) context.Reject("empty");
            context.Put(Key(number), new byte[16]);
        });
        using var machine = new LocalMachine(new KvIdentity(Guid.NewGuid(), 0));
        var writer = new Entries(machine);
        Guid client = Guid.NewGuid();
        writer.Apply(LocalCommand.Begin, LocalCommands.Begin(KeyOrder.Hierarchical, client));
        var rows = new SortedDictionary<byte[], SyncRow>(Comparer<byte[]>.Create((x, y) => x.AsSpan().SequenceCompareTo(y)));
        StateHash content = default;
        for (int i = 0; i < Records; i++)
        {
            byte[] key = RowKeys.Record(KeyOrder.Hierarchical, Key(i).Span), value = new byte[100];
            rows.Add(key, new SyncRow(key, 1, value));
            content = content.With(key.AsSpan(1), 1, value);
        }

        // A message holds 65,536 of anything at most.
        SyncRow[][] pages = [.. rows.Values.Chunk(50_000)];
        foreach (SyncRow[] page in pages) writer.Answer(new SyncChanges(new SyncPosition(Guid.Empty, 0, content), default, page == pages[^1] ? null : page[^1].RowKey, Records, [], page, []));
        Random random = new(1);
        for (int i = 0; i < pending; i++)
        {
            byte[] arguments = new byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(arguments, random.Next(Records));
            writer.Apply(LocalCommand.Call, LocalCommands.Call("put", 1, default, arguments));
        }

        var visible = new VisibleState(machine, mutators);
        OrderedTreeView tree = machine.Publish();
        byte[][] floorKeys = [.. visible.View.Timeline().Select(mutation => RowKeys.Record(KeyOrder.Hierarchical, Key(BinaryPrimitives.ReadInt32LittleEndian(mutation.Arguments.Span)).Span))];
        Samples ours = new(), floor = new();
        byte[] changed = RowKeys.Record(KeyOrder.Hierarchical, Key(7).Span), old = new byte[100];
        long version = 1;
        for (int round = 0; round < options.Rounds; round++)
        {
            long until = Stopwatch.GetTimestamp() + (long)(options.Seconds / options.Rounds / 2 * Stopwatch.Frequency);
            var bare = new OrderedTree();
            (long runs, long ticks) = (0, 0);
            do
            {
                long before = Stopwatch.GetTimestamp();
                bare.Restore(tree);
                foreach (byte[] key in floorKeys) bare.Set(key, new byte[16 + LocalRows.NumberBytes]);
                bare.View();
                ticks += Stopwatch.GetTimestamp() - before;
                runs++;
            }
            while (Stopwatch.GetTimestamp() < until);
            floor.AddRate(runs * pending, Stopwatch.GetElapsedTime(0, ticks));

            until = Stopwatch.GetTimestamp() + (long)(options.Seconds / options.Rounds / 2 * Stopwatch.Frequency);
            (runs, ticks) = (0, 0);
            List<double> times = [];
            do
            {
                byte[] next = new byte[100];
                next[0] = (byte)version;
                content = content.Without(changed.AsSpan(1), version, old).With(changed.AsSpan(1), ++version, next);
                old = next;
                writer.Answer(new SyncChanges(new SyncPosition(Guid.Empty, version, content), default, null, Records, [], [new SyncRow(changed, version, next)], []));
                long before = Stopwatch.GetTimestamp();
                visible.Publish();
                long took = Stopwatch.GetTimestamp() - before;
                times.Add(Stopwatch.GetElapsedTime(0, took).TotalMicroseconds / pending);
                ticks += took;
                runs++;
            }
            while (Stopwatch.GetTimestamp() < until);
            ours.AddRate(runs * pending, Stopwatch.GetElapsedTime(0, ticks));
            ours.AddLatencies(times);
        }

        if (visible.View.Troubles.Count > 0) throw new InvalidOperationException("A mutation did not run.");
        return ours.ToRow($"rebase-{(reads ? "read-put" : "put")}-{pending}", 1, floor);
    }

    private static StoreKey Key(int number) => $"/task/{number % Records:D8}";

    private sealed class Entries(LocalMachine machine)
    {
        private readonly ArrayBufferWriter<byte> _answer = new();
        private long _offset;

        internal void Answer(SyncChanges changes)
        {
            var output = new ArrayBufferWriter<byte>();
            SyncCodec.Write(output, changes);
            Apply(LocalCommand.Answered, LocalCommands.Answered(machine.Pull(), Guid.NewGuid(), output.WrittenSpan));
        }

        internal void Apply(LocalCommand command, byte[] payload)
        {
            _answer.ResetWrittenCount();
            machine.Apply(new StateEntry(new StatePosition(1, _offset++, default), (ushort)command, payload), _answer);
            if (LocalAnswer.Read(_answer.WrittenSpan).Status != LocalStatus.Done) throw new InvalidOperationException("An entry was refused.");
            machine.Moves.Clear();
        }
    }

    private sealed class NumberSerializer : IValueSerializer<int>
    {
        public void Serialize(int value, IBufferWriter<byte> output)
        {
            BinaryPrimitives.WriteInt32LittleEndian(output.GetSpan(sizeof(int)), value);
            output.Advance(sizeof(int));
        }

        public int Deserialize(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadInt32LittleEndian(bytes);
    }
}
