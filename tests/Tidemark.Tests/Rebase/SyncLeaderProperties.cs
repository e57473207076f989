using System.Buffers;
using System.Buffers.Binary;
using System.Text;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;
using Tidemark.Tests.KeyValue.Model;

namespace Tidemark.Tests.Rebase;

/// <summary>The leader runs mutations over what has a place in the log but is not applied yet, among writes of others.</summary>
public sealed class SyncLeaderProperties
{
    private static readonly Mutators _mutators = Mutators.Empty
        .Add("add", 1, new TextSerializer<Add>(text => new Add(text), add => add.Key), static (context, add) =>
        {
            long sum = context.TryGet(add.Key, out ReadOnlyMemory<byte> value) ? Number(value.Span) : 0;
            if (sum >= 40) context.Reject("full", add.Key);
            context.Put(add.Key, Bytes(sum + 1));
        })
        .Add("move", 1, new TextSerializer<Move>(text => new Move(text), move => move.To), static (context, move) =>
        {
            long sum = 0;
            foreach ((StoreKey key, ReadOnlyMemory<byte> value) in context.Scan(KeyRange.Prefix("n")))
            {
                sum += Number(value.Span);
                context.Delete(key);
            }

            context.Put(move.To, Bytes(sum));
        })
        .Add("poison", 1, new TextSerializer<Poison>(_ => new Poison(), _ => ""), static (_, _) => throw new InvalidOperationException("always"))
        .Add("long", 1, new TextSerializer<TooLong>(_ => new TooLong(), _ => ""), static (context, _) => context.Put("n", new byte[500]));

    [Fact]
    public void Whatever_is_under_way_each_mutation_sees_what_is_ahead_of_it_and_takes_effect_once()
    {
        for (int seed = 1; seed <= Soak.Times(40); seed++)
        {
            using var run = new Run(seed);
            run.Check(300);
        }
    }

    [Fact]
    public void A_client_more_than_there_is_room_for_pushes_out_who_was_quiet_for_longest_and_that_one_is_never_taken_for_new()
    {
        using var run = new Run(seed: 5);
        Guid[] clients = [.. Enumerable.Range(1, 4).Select(i => Run.Client((ulong)i))];
        foreach (Guid client in clients) Assert.Equal(SyncRefusal.None, run.Push(client, new Add("n1")).Refusal);   // Three fit: the first was pushed out.
        Assert.Equal(SyncRefusal.ClientUnknown, run.Push(clients[0], new Add("n1")).Refusal);
        Assert.Equal(SyncRefusal.ClientUnknown, run.Push(clients[0], new Add("n1"), mutation: 1).Refusal);
        Assert.Equal(SyncRefusal.None, run.Push(clients[3], new Add("n1")).Refusal);
        run.AssertSums();
    }

    [Fact]
    public void A_mutation_that_throws_is_tried_three_times_and_then_rejected_and_the_next_goes_on()
    {
        using var run = new Run(seed: 6);
        Guid client = Run.Client(9);
        Assert.Equal([SyncRefusal.Delayed, SyncRefusal.Delayed, SyncRefusal.None], Enumerable.Range(0, 3).Select(_ => run.Push(client, new Poison()).Refusal));
        Assert.Equal(["1 poison"], run.RejectionsOf(client));
        Assert.Equal(SyncRefusal.None, run.Push(client, new Add("n1")).Refusal);
        Assert.Equal(SyncRefusal.Delayed, run.Push(client, new Unknown()).Refusal);
        run.AssertSums();
    }

    [Fact]
    public void A_mutation_that_writes_more_than_may_be_is_rejected_with_its_limit()
    {
        using var run = new Run(seed: 7);
        Guid client = Run.Client(9);
        Assert.Equal(SyncRefusal.None, run.Push(client, new TooLong()).Refusal);
        Assert.Equal(["1 limit"], run.RejectionsOf(client));
        Assert.Equal(SyncRefusal.Gap, run.Push(client, new Add("n1"), mutation: 3).Refusal);
        Assert.Equal(SyncRefusal.None, run.Push(client, new Add("n1"), floor: 1).Refusal);
        Assert.Empty(run.RejectionsOf(client));
        run.AssertSums();
    }

    [Fact]
    public void Two_timelines_of_one_id_part_where_their_links_do()
    {
        using var run = new Run(seed: 8);
        Guid client = Run.Client(9);
        run.Push(client, new Add("n1"));
        TimelineEntry elsewhere = Run.Entry(2, new Add("n2"));
        Assert.Equal(SyncRefusal.Forked, run.Push(new MutateCommand(client, 0, new TimelineLink(1, 2), null, elsewhere)).Refusal);
        Assert.Equal(SyncRefusal.None, run.Push(client, new Add("n2")).Refusal);
    }

    private static long Number(ReadOnlySpan<byte> value) => value.Length == sizeof(long) ? BinaryPrimitives.ReadInt64LittleEndian(value) : 7;

    private static byte[] Bytes(long number)
    {
        byte[] bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        return bytes;
    }

    private sealed record Add(string Key);

    private sealed record Move(string To);

    private sealed record Poison;

    private sealed record TooLong;

    private sealed record Unknown;

    private sealed class TextSerializer<T>(Func<string, T> read, Func<T, string> write) : IValueSerializer<T>
    {
        public void Serialize(T value, IBufferWriter<byte> output) => Encoding.UTF8.GetBytes(write(value), output);

        public T Deserialize(ReadOnlySpan<byte> bytes) => read(Encoding.UTF8.GetString(bytes));
    }

    /// <summary>A leader whose entries are applied some time after they got their place, as at a log that flushes; and a machine that is applied to at once.</summary>
    private sealed class Run : IDisposable
    {
        private static readonly KeyOrder _order = KeyOrder.Natural;
        private readonly Random _random;
        private readonly KvMachine _machine = new(new MemoryEngine(), MachineRun.Identity);
        private readonly KvMachine _sequential = new(new MemoryEngine(), MachineRun.Identity);
        private readonly Queue<(StateEntry Entry, MutateCommand? Asked)> _underWay = [];
        private readonly Dictionary<Guid, (long Mutation, TimelineLink Link)> _clients = [];
        private readonly Dictionary<(Guid, long), int> _pushed = [];
        private KvLeader _leader;
        private long _offset;
        private int _effects;
        private SyncPushed? _last;   // What the last mutation that was applied was answered.

        internal Run(int seed)
        {
            _random = new Random(seed);
            _leader = new KvLeader(_machine, DateTimeOffset.UnixEpoch, null, _mutators);
            var settings = new ArrayBufferWriter<byte>();
            new CommandSource(seed, _order).Settings.Write(settings);
            Append((ushort)KvCommand.Configure, settings.WrittenSpan.ToArray(), null);
            Settle();
        }

        public void Dispose()
        {
            _machine.Dispose();
            _sequential.Dispose();
        }

        internal static Guid Client(ulong created)
        {
            byte[] id = new byte[16];
            BinaryPrimitives.WriteUInt64BigEndian(id, created);
            return new Guid(id, bigEndian: true);
        }

        internal static TimelineEntry Entry(long id, object arguments) => arguments switch
        {
            Add add => new TimelineEntry(id, "add", 1, new HybridTimestamp(9), Encoding.UTF8.GetBytes(add.Key)),
            Move move => new TimelineEntry(id, "move", 1, new HybridTimestamp(9), Encoding.UTF8.GetBytes(move.To)),
            Poison => new TimelineEntry(id, "poison", 1, new HybridTimestamp(9), default),
            TooLong => new TimelineEntry(id, "long", 1, new HybridTimestamp(9), default),
            _ => new TimelineEntry(id, "nobody knows", 1, new HybridTimestamp(9), default),
        };

        /// <summary>Random pushes, repetitions, writes of others, entries that get no place, changes of the leader; applied at random.</summary>
        internal void Check(int steps)
        {
            for (int i = 0; i < steps; i++)
            {
                switch (_random.Next(12))
                {
                    case < 5:
                        Begin(Client((ulong)_random.Next(1, 4)), Draw(), withdrawn: false);
                        break;
                    case 5:
                        Begin(Client((ulong)_random.Next(1, 4)), Draw(), withdrawn: true);
                        break;
                    case < 8:
                        AppendWrite();
                        break;
                    case < 11:
                        ApplyNext();
                        break;
                    default:
                        if (_random.Next(4) == 0) ChangeLeader();
                        break;
                }
            }

            Settle();
            AssertSums();
            Assert.True(_effects > 0, "no mutation ever wrote anything");
            Assert.Equal(_sequential.ContentHash, _machine.ContentHash);
        }

        internal SyncPushed Push(Guid client, object arguments, long? mutation = null, long floor = 0)
        {
            (long last, TimelineLink link) = _clients.GetValueOrDefault(client);
            return Push(new MutateCommand(client, floor, link, null, Entry(mutation ?? last + 1, arguments)));
        }

        internal SyncPushed Push(MutateCommand command)
        {
            var payload = new ArrayBufferWriter<byte>();
            command.Write(payload);
            Append((ushort)KvCommand.Mutate, payload.WrittenSpan.ToArray(), command);
            Settle();
            return _last!;
        }

        internal string[] RejectionsOf(Guid client)
        {
            _machine.Table.Publish(_machine.Position.Offset);
            using StateReader reader = StateReader.Open(_machine.Table);
            return SyncTable.RejectionsOf(reader, client.ToByteArray(bigEndian: true)).Select(rejection => $"{rejection.Mutation} {rejection.Code}").ToArray();
        }

        internal void AssertSums() => Assert.Equal(_machine.ComputeHash(), _machine.Hash);

        private object Draw() => _random.Next(8) switch { 0 => new Move($"n{_random.Next(3)}"), 1 => new Poison(), 2 => new TooLong(), _ => new Add($"n{_random.Next(3)}") };

        private void Begin(Guid client, object arguments, bool withdrawn)
        {
            (long last, TimelineLink link) = _clients.GetValueOrDefault(client);
            if (last > 0 && _random.Next(4) == 0)
            {
                // One that was pushed before, as after a lost answer.
                Ask(new MutateCommand(client, 0, default, null, Entry(_random.NextInt64(1, last + 1), arguments)), withdrawn);
                return;
            }

            Ask(new MutateCommand(client, Math.Max(0, last - _random.Next(5)), link, null, Entry(last + 1, arguments)), withdrawn);
        }

        private void Ask(MutateCommand command, bool withdrawn)
        {
            var payload = new ArrayBufferWriter<byte>();
            command.Write(payload);
            if (!withdrawn)
            {
                Append((ushort)KvCommand.Mutate, payload.WrittenSpan.ToArray(), command);
                return;
            }

            (ushort kind, ReadOnlyMemory<byte> bytes) = ((ushort)KvCommand.Mutate, payload.WrittenMemory);
            _leader.Admit(_offset, ref kind, ref bytes);
            _leader.Withdraw(_offset);
        }

        private void AppendWrite()
        {
            var payload = new ArrayBufferWriter<byte>();
            string key = $"n{_random.Next(3)}";
            switch (_random.Next(4))
            {
                case 0:
                    CommandWriter.WriteDelete(payload, null, Encoding.UTF8.GetBytes(key), null);
                    break;
                case 1:
                    CommandWriter.WriteDeleteRange(payload, null, KeyRange.Prefix("n"));
                    break;
                default:
                    CommandWriter.WritePut(payload, null, Encoding.UTF8.GetBytes(key), Bytes(_random.Next(30)), default);
                    break;
            }

            Append((ushort)KvCommand.Write, payload.WrittenSpan.ToArray(), null);
        }

        private void Append(ushort kind, byte[] payload, MutateCommand? asked)
        {
            ReadOnlyMemory<byte> bytes = payload;
            _leader.Admit(_offset, ref kind, ref bytes);
            var entry = new StateEntry(new StatePosition(1, _offset, HybridTimestamp.FromParts(1_700_000_000_000_000 + (_offset * 3_000), 0)), kind, bytes);
            _offset++;
            _underWay.Enqueue((entry, asked));
            if (asked is not null) Expect(asked, entry);
            _sequential.Apply(entry, new ArrayBufferWriter<byte>());
            if (asked is not null && _sequential.SyncClients.CursorOf(asked.Client.ToByteArray(bigEndian: true)) is { } cursor) _clients[asked.Client] = (cursor.Mutation, cursor.Link);
        }

        /// <summary>What the leader decided is what a run over the state with all that is ahead of it comes to.</summary>
        private void Expect(MutateCommand asked, in StateEntry entry)
        {
            byte[] client = asked.Client.ToByteArray(bigEndian: true);
            var reader = new Core.MessagePack.MessagePackReader(entry.Payload.Span);
            DecideCommand decided = DecideCommand.Read(ref reader);
            if (decided.Refusal is not null) return;
            Assert.Equal(StoreStatus.Ok, _sequential.SyncClients.Judge(client, asked.Mutation.Id));
            Assert.True(_pushed.TryAdd((asked.Client, asked.Mutation.Id), 1), "a mutation was decided twice");
            if (asked.Mutation.Name != "add" || decided.Rejection is not null) return;
            byte[]? row = _sequential.Table.Find(RowKeys.Record(_order, asked.Mutation.Arguments.Span));
            long before = row is null ? 0 : Number(new RecordRow(row).Value);
            reader.ReadArrayHeader();
            CommandParts.ReadOperation(ref reader);
            Assert.Equal(before + 1, Number(PutOperation.Read(ref reader).Value));
            _effects++;
        }

        private void ApplyNext()
        {
            if (!_underWay.TryDequeue(out (StateEntry Entry, MutateCommand? Asked) next)) return;
            var answer = new ArrayBufferWriter<byte>();
            _machine.Apply(next.Entry, answer);
            if (next.Asked is not null) _last = SyncCodec.ReadPushed(answer.WrittenSpan);
        }

        private void Settle()
        {
            while (_underWay.Count > 0) ApplyNext();
        }

        /// <summary>A new leader knows nothing of what its predecessor ran: all of the log is applied before it serves.</summary>
        private void ChangeLeader()
        {
            Settle();
            _leader = new KvLeader(_machine, DateTimeOffset.UnixEpoch, null, _mutators);
        }
    }
}
