using System.Buffers;
using Tidemark.Core.MessagePack;

namespace Tidemark.Tests.Golden;

/// <summary>The table of docs/format/messagepack.md, and every border between two forms.</summary>
public sealed class MessagePackFormatTests
{
    private delegate void Write(ref MessagePackWriter writer);

    [Fact]
    public void Values_are_the_bytes_of_the_page()
    {
        AssertBytes("7F", (ref w) => w.Write(127));
        AssertBytes("CC 80", (ref w) => w.Write(128));
        AssertBytes("CE 00 01 00 00", (ref w) => w.Write(65536));
        AssertBytes("E0", (ref w) => w.Write(-32));
        AssertBytes("D0 DF", (ref w) => w.Write(-33));
        AssertBytes("CB 3F F8 00 00 00 00 00 00", (ref w) => w.Write(1.5));
        AssertBytes("A2 61 62", (ref w) => w.Write("ab"));
        AssertBytes("C4 02 01 02", (ref w) => w.Write([1, 2]));
        AssertBytes("92 01 C0", (ref w) =>
        {
            w.WriteArrayHeader(2);
            w.Write(1);
            w.WriteNil();
        });
        AssertBytes("81 A1 61 C3", (ref w) =>
        {
            w.WriteMapHeader(1);
            w.Write("a");
            w.Write(true);
        });
        AssertBytes("C7 03 05 01 02 03", (ref w) =>
        {
            w.WriteExtensionFormatHeader(new ExtensionHeader(5, 3));
            w.WriteRaw([1, 2, 3]);
        });
        AssertBytes("D6 FF 00 00 00 01", (ref w) => w.Write(DateTime.UnixEpoch.AddSeconds(1)));
        AssertBytes("D7 FF 77 35 94 00 00 00 00 01", (ref w) => w.Write(DateTime.UnixEpoch.AddSeconds(1.5)));
        AssertBytes("C7 0C FF 00 00 00 00 FF FF FF FF FF FF FF FF", (ref w) => w.Write(DateTime.UnixEpoch.AddSeconds(-1)));
    }

    [Theory]
    [InlineData(0L, "00")]
    [InlineData(255L, "CC FF")]
    [InlineData(256L, "CD 01 00")]
    [InlineData(65535L, "CD FF FF")]
    [InlineData(4294967295L, "CE FF FF FF FF")]
    [InlineData(4294967296L, "CF 00 00 00 01 00 00 00 00")]
    [InlineData(long.MaxValue, "CF 7F FF FF FF FF FF FF FF")]
    [InlineData(-1L, "FF")]
    [InlineData(-128L, "D0 80")]
    [InlineData(-129L, "D1 FF 7F")]
    [InlineData(-32768L, "D1 80 00")]
    [InlineData(-32769L, "D2 FF FF 7F FF")]
    [InlineData(-2147483648L, "D2 80 00 00 00")]
    [InlineData(-2147483649L, "D3 FF FF FF FF 7F FF FF FF")]
    [InlineData(long.MinValue, "D3 80 00 00 00 00 00 00 00")]
    public void Integers_take_their_shortest_form_at_every_border(long value, string hex)
    {
        AssertBytes(hex, (ref w) => w.Write(value));
        if (value >= 0) AssertBytes(hex, (ref w) => w.Write((ulong)value));
        var reader = new MessagePackReader(Hex(hex), new MessagePackLimits { RequireCanonical = true });
        Assert.Equal(value, reader.ReadInt64());
    }

    [Fact]
    public void Nil_booleans_floats_and_the_largest_integer_have_one_form()
    {
        AssertBytes("C0", (ref w) => w.WriteNil());
        AssertBytes("C0", (ref w) => w.Write((string?)null));
        AssertBytes("C2", (ref w) => w.Write(false));
        AssertBytes("C3", (ref w) => w.Write(true));
        AssertBytes("CA 3F C0 00 00", (ref w) => w.Write(1.5f));
        AssertBytes("CF FF FF FF FF FF FF FF FF", (ref w) => w.Write(ulong.MaxValue));
    }

    [Theory]
    [InlineData(0, "A0", "C4 00", "90", "80", "C7 00 07")]
    [InlineData(1, "A1", "C4 01", "91", "81", "D4 07")]
    [InlineData(2, "A2", "C4 02", "92", "82", "D5 07")]
    [InlineData(4, "A4", "C4 04", "94", "84", "D6 07")]
    [InlineData(8, "A8", "C4 08", "98", "88", "D7 07")]
    [InlineData(15, "AF", "C4 0F", "9F", "8F", "C7 0F 07")]
    [InlineData(16, "B0", "C4 10", "DC 00 10", "DE 00 10", "D8 07")]
    [InlineData(31, "BF", "C4 1F", "DC 00 1F", "DE 00 1F", "C7 1F 07")]
    [InlineData(32, "D9 20", "C4 20", "DC 00 20", "DE 00 20", "C7 20 07")]
    [InlineData(255, "D9 FF", "C4 FF", "DC 00 FF", "DE 00 FF", "C7 FF 07")]
    [InlineData(256, "DA 01 00", "C5 01 00", "DC 01 00", "DE 01 00", "C8 01 00 07")]
    [InlineData(65535, "DA FF FF", "C5 FF FF", "DC FF FF", "DE FF FF", "C8 FF FF 07")]
    [InlineData(65536, "DB 00 01 00 00", "C6 00 01 00 00", "DD 00 01 00 00", "DF 00 01 00 00", "C9 00 01 00 00 07")]
    public void Lengths_and_counts_take_their_shortest_form_at_every_border(int length, string str, string bin, string array, string map, string ext)
    {
        AssertBytes(str, (ref w) => w.WriteStringHeader(length));
        AssertBytes(bin, (ref w) => w.WriteBinHeader(length));
        AssertBytes(array, (ref w) => w.WriteArrayHeader(length));
        AssertBytes(map, (ref w) => w.WriteMapHeader(length));
        AssertBytes(ext, (ref w) => w.WriteExtensionFormatHeader(new ExtensionHeader(7, (uint)length)));

        byte[] content = new byte[2 * length];
        var canonical = new MessagePackLimits { RequireCanonical = true };
        Assert.Equal(length, new MessagePackReader([.. Hex(str), .. content[..length]], canonical).ReadString()!.Length);
        Assert.Equal(length, new MessagePackReader([.. Hex(bin), .. content[..length]], canonical).ReadBytes().Length);
        Assert.Equal(length, new MessagePackReader([.. Hex(array), .. content], canonical).ReadArrayHeader());
        Assert.Equal(length, new MessagePackReader([.. Hex(map), .. content], canonical).ReadMapHeader());
        Assert.Equal(new ExtensionHeader(7, (uint)length), new MessagePackReader([.. Hex(ext), .. content], canonical).ReadExtensionFormatHeader());
    }

    private static void AssertBytes(string hex, Write write)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        write(ref writer);
        writer.Flush();
        Assert.Equal(Hex(hex), output.WrittenSpan.ToArray());
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));
}
