using System.Buffers;
using Tidemark.Core.MessagePack;

namespace Tidemark.Tests.Properties;

public sealed class MessagePackProperties
{
    private const int Documents = 3000;

    private static readonly MessagePackLimits _canonical = new() { RequireCanonical = true };

    [Fact]
    public void What_is_written_reads_back_and_is_canonical()
        => ForAllDocuments((document, _) =>
        {
            Assert.Equal(document.Text, MessagePackDocument.Render(document.Bytes));
            Assert.Equal(document.Text, MessagePackDocument.Render(document.Bytes, _canonical));
        });

    [Fact]
    public void Skipping_ends_where_reading_ends_and_returns_the_bytes_of_the_value()
        => ForAllDocuments((document, _) =>
        {
            var reader = new MessagePackReader([.. document.Bytes, 0xC0]);
            Assert.Equal(document.Bytes, reader.ReadRaw().ToArray());
            reader.ReadNil();
            reader.ReadEnd();
        });

    [Fact]
    public void Every_truncation_is_refused()
        => ForAllDocuments((document, chance) =>
        {
            int step = Math.Max(1, document.Bytes.Length / 200);
            for (int length = 0; length < document.Bytes.Length; length += chance.Next(1, step + 1))
            {
                Assert.True(Refused(document.Bytes.AsSpan(0, length)));
                var reader = new MessagePackReader(document.Bytes.AsSpan(0, length));
                Assert.True(SkipRefused(ref reader));
                Assert.Equal(0, reader.Consumed);
            }
        });

    [Fact]
    public void Damaged_bytes_are_read_or_refused_and_nothing_else()
        => ForAllDocuments((document, chance) =>
        {
            for (int round = 0; round < 30; round++)
            {
                byte[] damaged = Damage(document.Bytes, chance);
                bool refused = Refused(damaged);
                var reader = new MessagePackReader(damaged);
                bool skipRefused = SkipRefused(ref reader) || !reader.End;
                Assert.True(refused || !skipRefused, $"read but not skipped: {Convert.ToHexString(damaged)}");
            }
        });

    [Fact]
    public void Noise_is_read_or_refused_and_nothing_else()
    {
        var chance = new Random(7);
        int accepted = 0;
        for (int round = 0; round < 200_000; round++)
        {
            byte[] noise = new byte[chance.Next(1, 24)];
            chance.NextBytes(noise);
            if (!Refused(noise)) accepted++;
        }
        Assert.InRange(accepted, 1, 199_999);
    }

    [Fact]
    public void A_canonical_reader_accepts_one_spelling_of_each_value_only()
    {
        // Whatever a canonical reader accepts, writing it again gives the same bytes.
        var chance = new Random(8);
        int accepted = 0;
        for (int round = 0; round < 300_000; round++)
        {
            byte[] noise = new byte[chance.Next(1, 12)];
            chance.NextBytes(noise);
            var reader = new MessagePackReader(noise, _canonical);
            try
            {
                if (reader.NextMessagePackType is not (MessagePackType.Integer or MessagePackType.String or MessagePackType.Binary)) continue;
                var output = new ArrayBufferWriter<byte>();
                var writer = new MessagePackWriter(output);
                CopyOne(ref reader, ref writer);
                writer.Flush();
                Assert.Equal(noise[..(int)reader.Consumed], output.WrittenSpan.ToArray());
                accepted++;
            }
            catch (MalformedDataException)
            {
                continue;
            }
        }
        Assert.NotEqual(0, accepted);
    }

    private static void CopyOne(ref MessagePackReader reader, ref MessagePackWriter writer)
    {
        switch (reader.NextMessagePackType)
        {
            case MessagePackType.String:
                writer.Write(reader.ReadString());
                break;
            case MessagePackType.Binary:
                writer.Write(reader.ReadBytes());
                break;
            default:
                if (reader.NextCode is >= 0xD0 and <= 0xD3 or >= 0xE0) writer.Write(reader.ReadInt64());
                else writer.Write(reader.ReadUInt64());
                break;
        }
    }

    private static bool Refused(ReadOnlySpan<byte> bytes)
    {
        try
        {
            MessagePackDocument.Render(bytes);
            return false;
        }
        catch (MalformedDataException malformed)
        {
            Assert.InRange(malformed.Position, 0, bytes.Length);
            return true;
        }
    }

    private static bool SkipRefused(ref MessagePackReader reader)
    {
        try
        {
            reader.Skip();
            return false;
        }
        catch (MalformedDataException)
        {
            return true;
        }
    }

    private static byte[] Damage(byte[] bytes, Random chance)
    {
        byte[] damaged = [.. bytes];
        for (int hits = chance.Next(1, 4); hits > 0; hits--)
        {
            int at = chance.Next(damaged.Length);
            switch (chance.Next(4))
            {
                case 0: damaged[at] ^= (byte)(1 << chance.Next(8)); break;
                case 1: damaged[at] = (byte)chance.Next(256); break;
                case 2: damaged = [.. damaged[..at], (byte)chance.Next(0xC0, 0xE0), .. damaged[at..]]; break;
                default: damaged = damaged.Length > 1 ? [.. damaged[..at], .. damaged[(at + 1)..]] : damaged; break;
            }
        }
        return damaged;
    }

    private static void ForAllDocuments(Action<MessagePackDocument, Random> check)
    {
        for (int seed = 0; seed < Documents; seed++)
        {
            var chance = new Random(seed);
            try
            {
                check(MessagePackDocument.Generate(chance), chance);
            }
            catch (Exception fault) when (fault is not Xunit.Sdk.XunitException)
            {
                throw new InvalidOperationException($"seed {seed}", fault);
            }
        }
    }
}
