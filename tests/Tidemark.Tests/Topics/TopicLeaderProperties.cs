using System.Buffers;
using System.Text;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Topics;
using Tidemark.Testing;

namespace Tidemark.Tests.Topics;

/// <summary>
/// A leader that lets batches through before earlier ones are applied, that loses its place now and then, and that another follows who knows only what was applied; against a list of messages and a dictionary. What the
/// entries say, applied on two machines of which one was restored from a snapshot meanwhile, is what the model says.
/// </summary>
public class TopicLeaderProperties
{
    [Fact]
    public void Entries_come_to_what_a_naive_model_says_however_many_are_under_way()
    {
        for (int seed = 1; seed <= Soak.Times(150); seed++)
        {
            try
            {
                new Run(seed).Go();
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {e}");
            }
        }
    }

    /// <summary>
    /// A producer had been idle for long, so the leader proposed to forget it; before that was applied its next append came, whose number was the next of what was known then. The append was there, and its
    /// number was not kept, since by then nobody knew the producer: the answer got lost, and the same append, sent again, was refused as that of a stranger, of which nothing was appended. Whoever believed
    /// that appended it anew. Who is forgotten by an entry that is under way is not known to what comes behind it. Seed 9 of the simulation's first runs with a topic.
    /// </summary>
    [Fact]
    public void What_a_producer_appends_while_it_is_being_forgotten_is_not_there()
    {
        var machine = new TopicMachine(new KvIdentity(Guid.Empty, 1));
        var producer = new Guid(1, 2, 3, new byte[8]);
        var leader = new TopicLeader(machine, new NoLog(), DateTimeOffset.UnixEpoch);
        Pass(0, TopicCommand.Configure, TopicSettings.Of(new TopicOptions()).Write)();
        Pass(1, TopicCommand.RegisterProducer, output => CommandWriter.WriteIdAlone(output, producer))();
        Assert.Equal((StoreStatus.Ok, 1), Outcome(Pass(2, TopicCommand.Append, output => Write(output, 1))()));
        Func<TopicAnswer> forget = Pass(3, TopicCommand.ForgetProducers, output => CommandWriter.WriteForgetClient(output, producer));
        Func<TopicAnswer> append = Pass(4, TopicCommand.Append, output => Write(output, 2));
        forget();
        Assert.Equal((StoreStatus.ClientNotFound, 0), Outcome(append()));
        Assert.Equal(1, machine.End);

        Func<TopicAnswer> Pass(long offset, TopicCommand command, Action<IBufferWriter<byte>> write)
        {
            var output = new ArrayBufferWriter<byte>();
            write(output);
            (ushort kind, ReadOnlyMemory<byte> payload) = ((ushort)command, output.WrittenMemory);
            leader.Admit(offset, ref kind, ref payload);
            return () =>
            {
                var answer = new ArrayBufferWriter<byte>();
                machine.Apply(new StateEntry(new StatePosition(1, offset, new HybridTimestamp((ulong)(1000 + offset))), kind, payload), answer);
                return TopicAnswer.Read(answer.WrittenSpan);
            };
        }

        void Write(IBufferWriter<byte> output, long sequence) =>
            BatchCodec.Write(output, new BatchHead(0, null, producer, sequence, 0, 1), [PartitionHarness.Message($"m{sequence}")], DateTimeOffset.UnixEpoch);

        static (StoreStatus Status, int Count) Outcome(TopicAnswer answer) => (answer.Status, answer.Count);
    }

    private sealed class NoLog : IMessageLog
    {
        public (IReadOnlyList<LogPart> Sealed, long Open, long OpenBytes) Parts => ([], 0, 0);

        public long? FirstMessageAt(long entry) => null;
    }

    private sealed class Run(int seed)
    {
        private const int Remembered = 5;

        private readonly Random _random = new(seed);
        private readonly List<(Guid Id, string Text)> _messages = [];   // The model: what is applied, and what each producer's last append came to.
        private readonly Dictionary<Guid, (long Sequence, TopicAnswer Answer, HybridTimestamp LastUsed)> _producers = [];
        private readonly Queue<(ushort Kind, ReadOnlyMemory<byte> Payload, Func<HybridTimestamp, TopicAnswer> Expected)> _log = new();   // Has its place, and is not applied.
        private readonly TopicMachine _machine = NewMachine();
        private TopicMachine _other = NewMachine();
        private TopicLeader _leader = null!;
        private long _applied = -1;

        internal void Go()
        {
            Lead();
            Propose(TopicCommand.Configure, TopicSettings.Of(new TopicOptions { DeduplicationIds = seed % 3 == 0 ? 0 : Remembered }).Write, _ => default);
            ApplyAll();
            for (int step = 0; step < 200; step++)
            {
                switch (_random.Next(12))
                {
                    case 0: ApplyAll(); break;
                    case 1: Restore(); break;
                    case 2: Deposed(); break;
                    case 3: Register(); break;
                    case 4: ApplyOne(); break;
                    case 5: Forget(); break;
                    default: Append(); break;
                }
            }

            ApplyAll();
            Assert.Equal(_messages.Count, _machine.End);
            Assert.Equal(_machine.Hash, _other.Hash);
        }

        private static TopicMachine NewMachine() => new(new KvIdentity(Guid.Empty, 1));

        private void Lead() => _leader = new TopicLeader(_machine, new NoLog(), DateTimeOffset.UnixEpoch);

        /// <summary>Another leads: what was under way is gone, for all that the old leader knew.</summary>
        private void Deposed()
        {
            int kept = _random.Next(_log.Count + 1);
            (ushort Kind, ReadOnlyMemory<byte> Payload, Func<HybridTimestamp, TopicAnswer> Expected)[] stay = [.. _log.Take(kept)];
            _log.Clear();
            foreach (var entry in stay) _log.Enqueue(entry);
            ApplyAll();
            Lead();
        }

        private void Register()
        {
            var producer = new Guid(_random.Next(3), 0, 0, new byte[8]);
            ApplyAll();
            Propose(TopicCommand.RegisterProducer, output => CommandWriter.WriteIdAlone(output, producer), time =>
            {
                _producers.TryAdd(producer, (0, default, time));
                return default;
            });
            ApplyAll();
        }

        /// <summary>A producer is forgotten, in any case or if it was not used since: what it appends behind that is not taken, also before it is applied.</summary>
        private void Forget()
        {
            var producer = new Guid(_random.Next(3), 0, 0, new byte[8]);
            HybridTimestamp? lastUsed = _random.Next(3) == 0 ? null : _machine.FindProducer(producer)?.LastUsed;
            bool isWithdrawn = _random.Next(4) == 0;
            Propose(TopicCommand.ForgetProducers, output => Write(output, producer, lastUsed), _ =>
            {
                if (lastUsed is null || (_producers.TryGetValue(producer, out var row) && row.LastUsed == lastUsed)) _producers.Remove(producer);
                return default;
            }, isWithdrawn);

            static void Write(IBufferWriter<byte> output, Guid producer, HybridTimestamp? lastUsed)
            {
                if (lastUsed is not { } time)
                {
                    CommandWriter.WriteForgetClient(output, producer);
                    return;
                }

                var writer = new MessagePackWriter(output);
                writer.WriteArrayHeader(1);
                writer.WriteArrayHeader(2);
                CommandWriter.WriteId(ref writer, producer);
                writer.Write(time.Value);
                writer.Flush();
            }
        }

        private void Append()
        {
            string[] texts = [.. Enumerable.Range(0, _random.Next(1, 4)).Select(_ => $"m{_random.Next(40)}")];
            TopicMessage[] messages = [.. texts.Select(text => new TopicMessage(Encoding.UTF8.GetBytes(text)) { Id = PartitionHarness.IdOf(text) })];
            long end = _messages.Count;
            long? expected = _random.Next(4) == 0 ? Math.Max(0, end + _random.Next(-1, 4)) : null;
            Guid? producer = _random.Next(3) > 0 ? new Guid(_random.Next(3), 0, 0, new byte[8]) : null;
            long sequence = producer is { } known && _producers.TryGetValue(known, out (long Sequence, TopicAnswer Answer, HybridTimestamp LastUsed) row) ? Math.Max(1, row.Sequence + _random.Next(-1, 4)) : _random.Next(1, 3);
            var head = new BatchHead(0, expected, producer, producer is null ? 0 : sequence, 0, messages.Length);
            bool isWithdrawn = _random.Next(8) == 0;
            Propose(TopicCommand.Append, output => BatchCodec.Write(output, head, messages, DateTimeOffset.UnixEpoch), time => Model(head, texts, time), isWithdrawn);
        }

        /// <summary>What the model makes of an append when its turn has come.</summary>
        private TopicAnswer Model(BatchHead head, string[] texts, HybridTimestamp time)
        {
            TopicAnswer Refused(StoreStatus status) => new(status, _messages.Count, 0, 0, time);
            if (head.Producer is { } producer)
            {
                if (!_producers.TryGetValue(producer, out (long Sequence, TopicAnswer Answer, HybridTimestamp LastUsed) row)) return Refused(StoreStatus.ClientNotFound);
                if (head.Sequence == row.Sequence) return row.Answer;
                if (head.Sequence < row.Sequence) return Refused(StoreStatus.OutcomeForgotten);
                if (head.Sequence > row.Sequence + 1) return Refused(StoreStatus.SequenceGap);
                TopicAnswer answer = Fresh(head, texts, time);
                _producers[producer] = (head.Sequence, answer, time);
                return answer;
            }

            return Fresh(head, texts, time);
        }

        private TopicAnswer Fresh(BatchHead head, string[] texts, HybridTimestamp time)
        {
            long end = _messages.Count;
            if (head.ExpectedOffset is { } expected && expected != end) return new TopicAnswer(StoreStatus.VersionMismatch, end, 0, 0, time);
            var fresh = new List<string>();
            long? firstKnown = null;
            int kept = _machine.Settings!.DeduplicationIds;
            for (int i = 0; i < texts.Length; i++)
            {
                int known = kept == 0 ? -1 : _messages.FindLastIndex(message => message.Text == texts[i]);
                bool isKnown = known >= 0 && known >= end - kept;
                if (!isKnown && (kept == 0 || !fresh.Contains(texts[i]))) fresh.Add(texts[i]);
                else if (i == 0) firstKnown = known;
            }

            foreach (string text in fresh) _messages.Add((PartitionHarness.IdOf(text), text));
            return new TopicAnswer(StoreStatus.Ok, fresh.Count > 0 ? end : firstKnown!.Value, fresh.Count, texts.Length - fresh.Count, time);
        }

        private void Propose(TopicCommand command, Action<IBufferWriter<byte>> write, Func<HybridTimestamp, TopicAnswer> expected, bool isWithdrawn = false)
        {
            var output = new ArrayBufferWriter<byte>();
            write(output);
            (ushort kind, ReadOnlyMemory<byte> payload) = ((ushort)command, output.WrittenMemory);
            long offset = _applied + _log.Count + 1;
            _leader.Admit(offset, ref kind, ref payload);
            if (isWithdrawn) _leader.Withdraw(offset);
            else _log.Enqueue((kind, payload.ToArray(), expected));
        }

        private void ApplyAll()
        {
            while (_log.Count > 0) ApplyOne();
        }

        private void ApplyOne()
        {
            if (!_log.TryDequeue(out var entry)) return;
            var time = new HybridTimestamp((ulong)(1000 + ++_applied));
            var applied = new StateEntry(new StatePosition(1, _applied, time), entry.Kind, entry.Payload);
            (ArrayBufferWriter<byte> answer, ArrayBufferWriter<byte> same) = (new(), new());
            TopicAnswer wanted = entry.Expected(time);
            _machine.Apply(applied, answer);
            _other.Apply(applied, same);
            Assert.Equal(answer.WrittenSpan.ToArray(), same.WrittenSpan.ToArray());
            if (wanted != default) Assert.Equal(wanted, TopicAnswer.Read(answer.WrittenSpan));
            if (entry.Kind == (ushort)TopicCommand.Append) CheckEntry(entry.Payload);
        }

        /// <summary>An entry says which messages it has, and where.</summary>
        private void CheckEntry(ReadOnlyMemory<byte> payload)
        {
            var reader = new MessagePackReader(payload.Span);
            BatchHead head = BatchCodec.ReadHead(ref reader);
            for (int i = 0; i < head.Count; i++)
            {
                StoredMessage message = MessageCodec.Read(ref reader, payload, 0, head.First + i, default);
                Assert.Equal(_messages[(int)message.Offset].Text, PartitionHarness.Text(message));
            }

            reader.ReadEnd();
        }

        /// <summary>The second machine goes on from a snapshot.</summary>
        private void Restore()
        {
            using IStateSnapshot snapshot = _other.TakeSnapshot();
            var pieces = new List<ReadOnlyMemory<byte>>();
            for (var piece = new ArrayBufferWriter<byte>(); snapshot.WriteNext(piece); piece = new ArrayBufferWriter<byte>()) pieces.Add(piece.WrittenMemory);
            var restored = NewMachine();
            restored.Restore(pieces, snapshot.Position);
            Assert.Equal(_other.Hash, restored.Hash);
            _other = restored;
        }
    }
}
