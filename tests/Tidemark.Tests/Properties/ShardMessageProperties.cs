using System.Buffers;

using FsCheck;
using FsCheck.Fluent;

using Tidemark.Core.MessagePack;
using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Properties;

/// <summary>Messages between nodes: what is written is read, and whatever comes instead is refused by one error, or is a message like any other.</summary>
public sealed class ShardMessageProperties
{
    private static readonly Arbitrary<int> _seeds = Gen.Choose(0, int.MaxValue).ToArbitrary();

    [Fact]
    public void Every_kind_of_message_is_read_as_it_was_written() =>
        ForAll(1000, (message, bytes, _) =>
        {
            Assert.Equal(DrawnMessage.Text(message), DrawnMessage.Text(ShardMessageCodec.Read(bytes)));
            Assert.Equal(bytes, Bytes(ShardMessageCodec.Read(bytes)));
        });

    [Fact]
    public void Every_kind_is_drawn_and_known()
    {
        string[] drawn = [.. Enumerable.Range(0, DrawnMessage.Kinds).Select(kind => DrawnMessage.Draw(kind, new Random(kind)).Message.GetType().Name).Order()];
        string[] known = [.. typeof(ReplicaMessage).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(ReplicaMessage))).Select(type => type.Name).Order()];
        Assert.Equal(known, drawn);
    }

    [Fact]
    public void A_message_that_was_cut_short_or_goes_on_is_refused() =>
        ForAll(200, (_, bytes, chance) =>
        {
            for (int length = 0; length < bytes.Length; length += chance.Next(1, 1 + (bytes.Length / 50) + 1)) Assert.False(IsRead(bytes[..length]));
            Assert.False(IsRead([.. bytes, 0xC0]));
        });

    [Fact]
    public void An_altered_message_is_refused_or_is_another() =>
        ForAll(500, (_, bytes, chance) =>
        {
            for (int round = 0; round < 30; round++) IsRead(Altered(bytes, chance));
        });

    [Fact]
    public void Random_bytes_are_refused_or_are_a_message()
    {
        var chance = new Random(3);
        for (int round = 0; round < Soak.Times(100_000); round++)
        {
            byte[] noise = new byte[chance.Next(0, 60)];
            chance.NextBytes(noise);
            if (noise.Length > 4 && chance.Next(2) == 0) (noise[0], noise[1], noise[2], noise[3]) = ((byte)(0x94 + chance.Next(10)), 1, 7, (byte)chance.Next(20));
            IsRead(noise);
        }
    }

    /// <summary>Each entry takes a byte at least, so a count is never above the bytes that are there; nor is it above the limit of one array.</summary>
    [Fact]
    public void A_count_that_the_bytes_could_not_hold_makes_no_room()
    {
        Assert.False(IsRead([0x99, 1, 7, 10, 3, 2, 4, 5, 9, 0xDD, 0xFF, 0xFF, 0xFF, 0xFF]));
        Assert.False(IsRead([0x99, 1, 7, 10, 3, 2, 4, 5, 9, 0xDD, 0, 0, 0xFF, 0xFF, .. new byte[65_535]]));
        Assert.False(IsRead([0x97, 1, 7, 3, 3, 0xDD, 0x7F, 0xFF, 0xFF, 0xFF, 0xC0, 0x90]));
        Assert.False(IsRead([0xDD, 0xFF, 0xFF, 0xFF, 0xFF]));
        Assert.False(IsRead([0x9D, 1, 7, 16, 3, 2, 4, 5, 1, 1, 1, 0, 0xC2, 0xC6, 0x7F, 0xFF, 0xFF, 0xFF]));
    }

    [Fact]
    public void Entries_whose_terms_fall_or_are_above_the_leaders_are_refused()
    {
        Assert.False(IsRead(AppendOf(term: 3, new LogHead(2, 4), (1, 5))));
        Assert.False(IsRead(AppendOf(term: 3, new LogHead(2, 4), (3, 5), (2, 6))));
        Assert.False(IsRead(AppendOf(term: 3, new LogHead(2, 4), (4, 5))));
        Assert.True(IsRead(AppendOf(term: 3, new LogHead(2, 4), (2, 5), (3, 6))));
    }

    [Fact]
    public void Entries_behind_the_last_offset_there_is_are_refused()
    {
        Assert.True(IsRead(AppendOf(term: 3, new LogHead(2, long.MaxValue - 2), (3, long.MaxValue - 1))));
        Assert.False(IsRead(AppendOf(term: 3, new LogHead(2, long.MaxValue - 1), (3, long.MaxValue))));
        Assert.False(IsRead(AppendOf(term: 3, new LogHead(2, long.MaxValue), (3, long.MaxValue))));
    }

    [Fact]
    public void A_message_of_another_version_is_refused()
    {
        byte[] bytes = Bytes(new ShardMessage(7, new NewTerm(3)));
        Assert.True(IsRead(bytes));
        bytes[1] = 2;
        Assert.Contains("version 1", Assert.Throws<MalformedDataException>(() => ShardMessageCodec.Read(bytes)).Message, StringComparison.Ordinal);
    }

    private static byte[] AppendOf(long term, LogHead before, params (long Term, long Offset)[] entries) => Bytes(new ShardMessage(
        7, new Append(term, before, [], 0, 0), [.. entries.Select(entry => new LogRecord(entry.Offset, entry.Term, default, 1, default))], default));

    /// <summary>Whether the bytes are a message; then it is whole, can be sent on, and took no more room than its bytes account for.</summary>
    private static bool IsRead(byte[] bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        ShardMessage message;
        try
        {
            message = ShardMessageCodec.Read(bytes);
        }
        catch (MalformedDataException)
        {
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 50_000 + (64L * bytes.Length));
            return false;
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 50_000 + (64L * bytes.Length));
        Assert.Equal(DrawnMessage.Text(message), DrawnMessage.Text(ShardMessageCodec.Read(Bytes(message))));
        if (message.Message is Append append)
        {
            Assert.True(append.To >= append.Before.Offset, "the end of an append is not before its beginning");
            Assert.Equal(append.To - append.Before.Offset - 1, message.Entries.Count);
        }

        return true;
    }

    private static byte[] Altered(byte[] bytes, Random chance)
    {
        byte[] altered = [.. bytes];
        for (int hits = chance.Next(1, 4); hits > 0; hits--)
        {
            int at = chance.Next(altered.Length);
            switch (chance.Next(4))
            {
                case 0: altered[at] ^= (byte)(1 << chance.Next(8)); break;
                case 1: altered[at] = (byte)chance.Next(256); break;
                case 2: altered = [.. altered[..at], (byte)chance.Next(0xC0, 0xE0), .. altered[at..]]; break;
                default: altered = altered.Length > 1 ? [.. altered[..at], .. altered[(at + 1)..]] : altered; break;
            }
        }

        return altered;
    }

    private static byte[] Bytes(in ShardMessage message)
    {
        var output = new ArrayBufferWriter<byte>();
        ShardMessageCodec.Write(output, message);
        return output.WrittenSpan.ToArray();
    }

    private static void ForAll(int times, Action<ShardMessage, byte[], Random> check) =>
        Prop.ForAll(_seeds, seed =>
        {
            var chance = new Random(seed);
            ShardMessage message = DrawnMessage.Draw(chance.Next(DrawnMessage.Kinds), chance);
            check(message, Bytes(message), chance);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(Soak.Times(times)));
}
