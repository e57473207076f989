using System.Buffers;

using Tidemark.Core.KeyValue;

namespace Tidemark.Tests.Properties;

/// <summary>Entries that nobody should have written: applying one never fails, and what it may not do it does not.</summary>
public class KvCommandProperties
{
    private static readonly KvIdentity _identity = new(Guid.Empty, 0);

    [Fact]
    public void Applying_a_hostile_entry_never_fails_and_replicas_agree()
    {
        for (int seed = 1; seed <= Soak.Times(40); seed++)
        {
            var chance = new Random(seed);
            using KvMachine left = New(), right = New();
            var answer = new ArrayBufferWriter<byte>();
            for (int offset = 1; offset < 200; offset++)
            {
                (ushort kind, byte[] payload) = chance.Next(3) == 0 ? (RandomKind(chance), RandomBytes(chance)) : Mutated(chance);
                var position = new StatePosition(1, offset, new HybridTimestamp((ulong)offset << 20));
                (StateHash before, StateHash contentBefore) = (left.Hash, left.ContentHash);
                answer.ResetWrittenCount();
                left.Apply(new StateEntry(position, kind, payload), answer);
                KvAnswer decided = KvAnswer.Read(answer.WrittenSpan);
                byte[] first = answer.WrittenSpan.ToArray();
                answer.ResetWrittenCount();
                right.Apply(new StateEntry(position, kind, payload), answer);
                Assert.Equal(first, answer.WrittenSpan.ToArray());
                Assert.Equal(left.Hash, right.Hash);
                if (decided.Status is StoreStatus.Malformed or StoreStatus.UnknownCommand) Assert.Equal(before, left.Hash);
                if (decided.Status is not (StoreStatus.Ok or StoreStatus.NotFound)) Assert.Equal(contentBefore, left.ContentHash);   // A client's refusal is kept, and nothing else.
            }

            Assert.Equal(left.Hash, left.ComputeHash());
        }
    }

    [Fact]
    public void A_state_restored_from_its_snapshot_is_the_same_in_every_row()
    {
        for (int seed = 1; seed <= Soak.Times(20); seed++)
        {
            var chance = new Random(seed);
            using KvMachine machine = New();
            var answer = new ArrayBufferWriter<byte>();
            for (int offset = 1; offset < 150; offset++)
            {
                (ushort kind, byte[] payload) = Valid(chance);
                machine.Apply(new StateEntry(new StatePosition(1, offset, new HybridTimestamp((ulong)offset << 20)), kind, payload), answer);
            }

            List<ReadOnlyMemory<byte>> pieces = Pieces(machine);
            using var restored = new KvMachine(new MemoryEngine(), _identity);
            restored.Restore(pieces, machine.Position);
            Assert.Equal((machine.Hash, machine.ContentHash, machine.Counters, machine.Position), (restored.Hash, restored.ContentHash, restored.Counters, restored.Position));
            Assert.Equal(pieces.Select(piece => piece.ToArray()), Pieces(restored).Select(piece => piece.ToArray()));

            byte[] broken = pieces[^1].ToArray();
            broken[^1] ^= 1;
            using var other = new KvMachine(new MemoryEngine(), _identity);
            Assert.ThrowsAny<TidemarkException>(() => other.Restore([.. pieces.SkipLast(1), broken], machine.Position));
        }
    }

    private static List<ReadOnlyMemory<byte>> Pieces(KvMachine machine)
    {
        List<ReadOnlyMemory<byte>> pieces = [];
        using IStateSnapshot snapshot = machine.TakeSnapshot();
        for (var piece = new ArrayBufferWriter<byte>(); snapshot.WriteNext(piece); piece = new ArrayBufferWriter<byte>()) pieces.Add(piece.WrittenSpan.ToArray());
        return pieces;
    }

    private static KvMachine New()
    {
        var machine = new KvMachine(new MemoryEngine(), _identity);
        var settings = new ArrayBufferWriter<byte>();
        KvSettings.Of(new NamespaceOptions { MaxKeyBytes = 20, MaxValueBytes = 30, ChangeLogEntries = 16, MaxClients = 3, MaxSessions = 3 }).Write(settings);
        machine.Apply(new StateEntry(new StatePosition(1, 0, new HybridTimestamp(1)), (ushort)KvCommand.Configure, settings.WrittenMemory), new ArrayBufferWriter<byte>());
        return machine;
    }

    private static (ushort, byte[]) Mutated(Random chance)
    {
        (ushort kind, byte[] payload) = Valid(chance);
        int changes = chance.Next(3);
        for (int i = 0; i < changes && payload.Length > 0; i++) payload[chance.Next(payload.Length)] = (byte)chance.Next(256);
        if (chance.Next(6) == 0) payload = payload[..chance.Next(payload.Length + 1)];
        return (chance.Next(12) == 0 ? RandomKind(chance) : kind, payload);
    }

    private static ushort RandomKind(Random chance) => (ushort)(chance.Next(4) == 0 ? chance.Next(65536) : chance.Next(10));

    private static byte[] RandomBytes(Random chance)
    {
        byte[] bytes = new byte[chance.Next(40)];
        chance.NextBytes(bytes);
        return bytes;
    }

    private static (ushort Kind, byte[] Payload) Valid(Random chance)
    {
        var output = new ArrayBufferWriter<byte>();
        Guid id = new([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (byte)chance.Next(5)]);
        switch (chance.Next(8))
        {
            case 0:
                CommandWriter.WriteOpenSession(output, id, chance.Next(500_000), "me"u8);
                return ((ushort)KvCommand.OpenSession, output.WrittenSpan.ToArray());
            case 1:
                CommandWriter.WriteIdAlone(output, id);
                return ((ushort)(chance.Next(2) == 0 ? KvCommand.CloseSession : KvCommand.RegisterClient), output.WrittenSpan.ToArray());
            case 2:
                CommandWriter.WriteForgetClient(output, id);
                return ((ushort)KvCommand.ForgetClients, output.WrittenSpan.ToArray());
            default:
                var transaction = new StoreTransaction();
                for (int i = chance.Next(3); i >= 0; i--) Add(transaction, chance);
                transaction.Write(output, chance.Next(3) == 0 ? new WriteTicket(id, chance.Next(1, 6), chance.Next(4)) : null);
                return ((ushort)KvCommand.Write, output.WrittenSpan.ToArray());
        }
    }

    private static void Add(StoreTransaction transaction, Random chance)
    {
        byte[] key = Key(chance);
        switch (chance.Next(8))
        {
            case 0: transaction.Delete(key, chance.Next(2) == 0 ? chance.Next(9) : null); break;
            case 1: transaction.DeleteRange(KeyRange.Between(key, Key(chance))); break;
            case 2: transaction.DeleteRange(KeyRange.Children(key)); break;
            case 3: transaction.PutNext(key, RandomBytes(chance), [chance.Next(3), chance.Next(-1, 3)]); break;
            case 4: transaction.Require(key, chance.Next(5)); break;
            default:
                transaction.Put(key, RandomBytes(chance), new PutOptions
                {
                    ExpectedVersion = chance.Next(4) == 0 ? chance.Next(9) : null,
                    TimeToLive = chance.Next(3) == 0 ? TimeSpan.FromSeconds(chance.Next(100)) : null,
                    Indexes = chance.Next(2) == 0 ? [new IndexEntry(Key(chance), Key(chance)), new IndexEntry("i", "k"), new IndexEntry("i", "k")] : [],
                });
                break;
        }
    }

    private static byte[] Key(Random chance)
    {
        byte[] letters = [(byte)'a', (byte)'/', 0, 0xFE, 0xFF, (byte)'b'];
        byte[] key = new byte[chance.Next(chance.Next(8) == 0 ? 30 : 5)];
        for (int i = 0; i < key.Length; i++) key[i] = letters[chance.Next(letters.Length)];
        return key;
    }
}
