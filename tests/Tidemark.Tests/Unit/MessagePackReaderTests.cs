using System.Text;
using Tidemark.Core.MessagePack;

namespace Tidemark.Tests.Unit;

public sealed class MessagePackReaderTests
{
    private delegate void Read(ref MessagePackReader reader);

    private static readonly MessagePackLimits _canonical = new() { RequireCanonical = true };

    [Theory]
    [InlineData("00", 0)]
    [InlineData("CC 05", 5)]
    [InlineData("CD 00 05", 5)]
    [InlineData("CE 00 00 00 05", 5)]
    [InlineData("CF 00 00 00 00 00 00 00 05", 5)]
    [InlineData("D0 05", 5)]
    [InlineData("D1 00 05", 5)]
    [InlineData("D2 00 00 00 05", 5)]
    [InlineData("D3 00 00 00 00 00 00 00 05", 5)]
    [InlineData("D0 FF", -1)]
    [InlineData("D1 FF FF", -1)]
    [InlineData("D2 FF FF FF FF", -1)]
    [InlineData("D3 FF FF FF FF FF FF FF FF", -1)]
    public void An_integer_is_read_from_every_form_that_holds_it(string hex, int value)
    {
        byte[] bytes = Hex(hex);
        Assert.Equal(value, new MessagePackReader(bytes).ReadInt64());
        Assert.Equal(value, new MessagePackReader(bytes).ReadInt32());
        Assert.Equal(value, new MessagePackReader(bytes).ReadInt16());
        Assert.Equal(value, new MessagePackReader(bytes).ReadSByte());
        if (value >= 0)
        {
            Assert.Equal((ulong)value, new MessagePackReader(bytes).ReadUInt64());
            Assert.Equal((uint)value, new MessagePackReader(bytes).ReadUInt32());
            Assert.Equal((ushort)value, new MessagePackReader(bytes).ReadUInt16());
            Assert.Equal((byte)value, new MessagePackReader(bytes).ReadByte());
        }
        else
        {
            AssertRefused(hex, (ref r) => r.ReadUInt64());
            AssertRefused(hex, (ref r) => r.ReadByte());
        }

        if (bytes.Length > 1) AssertRefused(hex, (ref r) => r.ReadInt64(), _canonical);
    }

    [Fact]
    public void An_integer_outside_the_range_of_its_field_is_refused_and_one_at_its_ends_is_read()
    {
        AssertRefused("CC 80", (ref r) => r.ReadSByte());
        AssertRefused("D1 FF 7F", (ref r) => r.ReadSByte());
        AssertRefused("CD 01 00", (ref r) => r.ReadByte());
        AssertRefused("CD 80 00", (ref r) => r.ReadInt16());
        AssertRefused("CE 00 01 00 00", (ref r) => r.ReadUInt16());
        AssertRefused("CE 80 00 00 00", (ref r) => r.ReadInt32());
        AssertRefused("D3 FF FF FF FF 7F FF FF FF", (ref r) => r.ReadInt32());
        AssertRefused("CF 00 00 00 01 00 00 00 00", (ref r) => r.ReadUInt32());
        AssertRefused("CF 80 00 00 00 00 00 00 00", (ref r) => r.ReadInt64());
        Assert.Equal(sbyte.MinValue, new MessagePackReader(Hex("D0 80")).ReadSByte());
        Assert.Equal(short.MaxValue, new MessagePackReader(Hex("CD 7F FF")).ReadInt16());
        Assert.Equal(int.MinValue, new MessagePackReader(Hex("D2 80 00 00 00")).ReadInt32());
        Assert.Equal(long.MinValue, new MessagePackReader(Hex("D3 80 00 00 00 00 00 00 00")).ReadInt64());
        Assert.Equal(ulong.MaxValue, new MessagePackReader(Hex("CF FF FF FF FF FF FF FF FF")).ReadUInt64());
    }

    [Theory]
    [InlineData("D9 01 61")]            // Strings.
    [InlineData("DA 00 01 61")]
    [InlineData("DB 00 00 00 01 61")]
    [InlineData("C5 00 01 61")]         // Binaries.
    [InlineData("C6 00 00 00 01 61")]
    [InlineData("DC 00 01 61")]         // Arrays.
    [InlineData("DD 00 00 00 01 61")]
    [InlineData("DE 00 01 61 61")]      // Maps.
    [InlineData("DF 00 00 00 01 61 61")]
    [InlineData("C7 01 05 61")]         // Extensions.
    [InlineData("C8 00 01 05 61")]
    [InlineData("C9 00 00 00 01 05 61")]
    public void Longer_forms_are_understood_but_not_canonical(string hex)
    {
        var reader = new MessagePackReader(Hex(hex));
        reader.Skip();
        reader.ReadEnd();
        AssertRefused(hex, (ref r) => r.Skip(), _canonical);
    }

    [Fact]
    public void A_double_is_read_from_a_single_but_not_the_other_way_round()
    {
        Assert.Equal(1.5, new MessagePackReader(Hex("CA 3F C0 00 00")).ReadDouble());
        Assert.Equal(1.5f, new MessagePackReader(Hex("CA 3F C0 00 00"), _canonical).ReadSingle());
        AssertRefused("CA 3F C0 00 00", (ref r) => r.ReadDouble(), _canonical);
        AssertRefused("CB 3F F8 00 00 00 00 00 00", (ref r) => r.ReadSingle());
        AssertRefused("01", (ref r) => r.ReadDouble());
    }

    [Fact]
    public void Times_are_read_from_all_three_forms_and_are_exact()
    {
        DateTime second = DateTime.UnixEpoch.AddSeconds(1);
        foreach (string hex in new[] { "D6 FF 00 00 00 01", "D7 FF 00 00 00 00 00 00 00 01", "C7 0C FF 00 00 00 00 00 00 00 00 00 00 00 01" })
            Assert.Equal(second, new MessagePackReader(Hex(hex)).ReadDateTime());
        Assert.Equal(DateTimeKind.Utc, new MessagePackReader(Hex("D6 FF 00 00 00 01")).ReadDateTime().Kind);
        Assert.Equal(DateTime.MaxValue, new MessagePackReader(Hex("C7 0C FF 3B 9A C9 9C 00 00 00 3A FF F4 41 7F")).ReadDateTime());
        Assert.Equal(DateTime.MinValue, new MessagePackReader(Hex("C7 0C FF 00 00 00 00 FF FF FF F1 88 6E 09 00")).ReadDateTime());
    }

    [Theory]
    [InlineData("D7 FF EE 6B 28 00 00 00 00 01")]                      // A billion nanoseconds.
    [InlineData("D7 FF 00 00 00 04 00 00 00 01")]                      // 1 ns.
    [InlineData("C7 0C FF 00 00 00 01 00 00 00 00 00 00 00 01")]       // 1 ns.
    [InlineData("C7 0C FF 00 00 00 00 00 00 00 3A FF F4 41 80")]       // The year 10000.
    [InlineData("C7 0C FF 00 00 00 00 FF FF FF F1 88 6E 08 FF")]       // Before the year 1.
    [InlineData("C7 0C FF 00 00 00 00 7F FF FF FF FF FF FF FF")]
    [InlineData("D5 FF 00 01")]                                         // Two bytes.
    [InlineData("D6 05 00 00 00 01")]                                   // Another extension.
    public void A_time_that_cannot_be_held_exactly_is_refused(string hex) => AssertRefused(hex, (ref r) => r.ReadDateTime());

    [Fact]
    public void A_canonical_reader_refuses_a_time_in_a_longer_form()
    {
        AssertRefused("D7 FF 00 00 00 00 00 00 00 01", (ref r) => r.ReadDateTime(), _canonical);
        AssertRefused("C7 0C FF 00 00 00 00 00 00 00 00 00 00 00 01", (ref r) => r.ReadDateTime(), _canonical);
    }

    [Fact]
    public void Text_that_is_not_utf8_is_refused_when_read_and_when_skipped()
    {
        foreach (string hex in new[] { "A1 80", "A2 C0 80", "A3 ED A0 80", "A4 F4 90 80 80", "A1 C3" })
        {
            AssertRefused(hex, (ref r) => r.ReadString());
            AssertRefused(hex, (ref r) => r.Skip());
        }
    }

    [Fact]
    public void Nil_is_no_text_and_an_empty_text_is_no_nil()
    {
        Assert.Null(new MessagePackReader(Hex("C0")).ReadString());
        Assert.Equal("", new MessagePackReader(Hex("A0")).ReadString());
        AssertRefused("C0", (ref r) => r.ReadBytes());
        AssertRefused("C0", (ref r) => r.ReadArrayHeader());
        var reader = new MessagePackReader(Hex("C0 01"));
        Assert.True(reader.TryReadNil());
        Assert.False(reader.TryReadNil());
        Assert.Equal(1, reader.ReadInt32());
    }

    [Fact]
    public void A_value_of_another_kind_is_refused_and_the_reader_stays_where_it_was()
    {
        var reader = new MessagePackReader(Hex("01 A1 61"));
        reader.ReadInt32();
        MalformedDataException? refusal = null;
        try
        {
            reader.ReadInt32();
        }
        catch (MalformedDataException fault)
        {
            refusal = fault;
        }
        Assert.Equal(1, refusal?.Position);
        Assert.Equal(1, reader.Consumed);
        Assert.Equal(MessagePackType.String, reader.NextMessagePackType);
        Assert.Equal("a", reader.ReadString());
        Assert.True(reader.End);
    }

    [Fact]
    public void The_code_that_is_never_used_is_refused_everywhere()
    {
        AssertRefused("C1", (ref r) => r.Skip());
        AssertRefused("C1", (ref r) => r.ReadNil());
        AssertRefused("91 C1", (ref r) => r.Skip(), position: 1);
        Assert.Equal(MessagePackType.Unknown, new MessagePackReader(Hex("C1")).NextMessagePackType);
    }

    [Fact]
    public void Every_code_has_the_kind_it_is_read_as()
    {
        byte[] bytes = new byte[40];
        for (int code = 0; code < 256; code++)
        {
            bytes[0] = (byte)code;
            var token = MessagePackToken.Read(bytes);
            Assert.InRange(token.Size, 1, 9);
            Assert.Equal(token.Type, MessagePackToken.TypeOf((byte)code));
        }
    }

    [Fact]
    public void Bytes_after_the_end_are_refused()
    {
        AssertRefused("01 02", (ref r) =>
        {
            r.ReadInt32();
            r.ReadEnd();
        }, position: 1);
        AssertRefused("", (ref r) => r.Skip());
    }

    [Theory]
    [InlineData("DB FF FF FF FF")]
    [InlineData("C6 FF FF FF FF")]
    [InlineData("DD FF FF FF FF")]
    [InlineData("DF FF FF FF FF")]
    [InlineData("C9 FF FF FF FF 05")]
    [InlineData("DD 7F FF FF FF C0 C0")]
    [InlineData("DF 00 00 00 02 C0 C0 C0")]
    [InlineData("A2 61")]
    public void A_length_the_bytes_cannot_hold_is_refused_without_making_room_for_it(string hex)
    {
        byte[] bytes = Hex(hex);
        Attempt(bytes);   // Warm: messages and stack traces are loaded once.
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.True(Attempt(bytes));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16_384);   // The exception.

        static bool Attempt(byte[] bytes)
        {
            try
            {
                var reader = new MessagePackReader(bytes);
                switch (reader.NextMessagePackType)
                {
                    case MessagePackType.String: reader.ReadString(); break;
                    case MessagePackType.Binary: reader.ReadBytes(); break;
                    case MessagePackType.Array: reader.ReadArrayHeader(); break;
                    case MessagePackType.Map: reader.ReadMapHeader(); break;
                    default: reader.ReadExtensionFormatHeader(); break;
                }
                return false;
            }
            catch (MalformedDataException)
            {
                return true;
            }
        }
    }

    [Fact]
    public void More_elements_than_the_limit_are_refused_although_the_bytes_are_there()
    {
        byte[] bytes = [0xDC, 0x00, 0x20, .. new byte[64]];
        Assert.Equal(32, new MessagePackReader(bytes, new MessagePackLimits { MaxCollectionCount = 32 }).ReadArrayHeader());
        Assert.Throws<MalformedDataException>(() => new MessagePackReader(bytes, new MessagePackLimits { MaxCollectionCount = 31 }).ReadArrayHeader());
        Assert.Throws<MalformedDataException>(() => new MessagePackReader(bytes, new MessagePackLimits { MaxCollectionCount = 31 }).Skip());
    }

    [Theory]
    [InlineData(0x91)]   // Arrays in arrays.
    [InlineData(0x81)]   // Maps as keys of maps.
    public void Nesting_beyond_the_limit_is_refused_even_ten_thousand_deep(byte code)
    {
        byte[] deep = new byte[30_000];
        deep.AsSpan(0, 10_000).Fill(code);
        Assert.Throws<MalformedDataException>(() => new MessagePackReader(deep).Skip());

        byte[] allowed = new byte[64 * 2 + 1];
        allowed.AsSpan(0, 64).Fill(code);
        new MessagePackReader(allowed).Skip();
        Assert.Throws<MalformedDataException>(() => new MessagePackReader([code, .. allowed]).Skip());
    }

    [Fact]
    public void A_caller_that_enters_collections_is_held_to_the_same_depth()
    {
        AssertRefused("91 91 91 01", (ref r) =>
        {
            for (int i = 0; i < 3; i++)
            {
                r.ReadArrayHeader();
                r.DepthStep();
            }
        }, new MessagePackLimits { MaxDepth = 2 }, position: 3);
        AssertRefused("91 91 01", (ref r) =>
        {
            r.ReadArrayHeader();
            r.DepthStep();
            r.Skip();
        }, new MessagePackLimits { MaxDepth = 1 }, position: 1);
    }

    [Fact]
    public void Reading_allocates_nothing()
    {
        byte[] message = Hex("96 01 D1 80 00 A2 61 62 C4 01 07 81 A1 6B CB 3F F8 00 00 00 00 00 00 D6 FF 00 00 00 01");
        long sink = Round(message);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) sink += Round(message);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.NotEqual(0, sink);

        static long Round(byte[] message)
        {
            var whole = new MessagePackReader(message);
            whole.Skip();
            var reader = new MessagePackReader(message);
            long sum = reader.ReadArrayHeader() + reader.ReadInt32() + reader.ReadInt16();
            reader.TryReadStringSpan(out ReadOnlySpan<byte> text);
            sum += text.Length + reader.ReadBytes()[0] + reader.ReadMapHeader();
            reader.Skip();
            sum += (long)reader.ReadDouble() + reader.ReadDateTime().Second;
            reader.ReadEnd();
            return sum;
        }
    }

    private static void AssertRefused(string hex, Read read, MessagePackLimits? limits = null, long position = 0)
    {
        var refusal = Assert.Throws<MalformedDataException>(() =>
        {
            var reader = new MessagePackReader(Hex(hex), limits ?? MessagePackLimits.Default);
            read(ref reader);
        });
        Assert.Equal(position, refusal.Position);
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));
}
