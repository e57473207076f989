using System.Buffers;
using Tidemark.Core.MessagePack;

namespace Tidemark.Tests.Unit;

public sealed class MessagePackWriterTests
{
    [Fact]
    public void Nothing_of_a_text_that_is_no_unicode_is_written()
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        Assert.ThrowsAny<ArgumentException>(() => new MessagePackWriter(output).Write("\uD800"));
        Assert.Throws<ArgumentException>(() => new MessagePackWriter(output).WriteString([0xC0, 0x80]));
        writer.Flush();
        Assert.Equal(0, output.WrittenCount);
    }

    [Fact]
    public void A_time_that_is_not_utc_is_refused()
    {
        var output = new ArrayBufferWriter<byte>();
        foreach (DateTimeKind kind in new[] { DateTimeKind.Local, DateTimeKind.Unspecified })
            Assert.Throws<ArgumentException>(() => new MessagePackWriter(output).Write(new DateTime(2026, 1, 1, 0, 0, 0, kind)));
    }

    [Fact]
    public void Negative_lengths_are_refused()
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<ArgumentOutOfRangeException>(() => new MessagePackWriter(output).WriteArrayHeader(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new MessagePackWriter(output).WriteMapHeader(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new MessagePackWriter(output).WriteStringHeader(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new MessagePackWriter(output).WriteBinHeader(-1));
    }

    [Fact]
    public void An_output_that_gives_the_least_room_it_may_gets_the_same_bytes()
    {
        var roomy = new ArrayBufferWriter<byte>(1 << 16);
        var tight = new TightOutput();
        WriteAll(roomy);
        WriteAll(tight);
        Assert.Equal(roomy.WrittenSpan.ToArray(), tight.Written.ToArray());

        static void WriteAll(IBufferWriter<byte> output)
        {
            var writer = new MessagePackWriter(output);
            writer.WriteArrayHeader(7);
            for (long value = 1; value > 0; value <<= 8) writer.Write(value);
            writer.Write(-1_000_000);
            writer.Write("a text that is longer than thirty-one bytes");
            writer.Write(new byte[3000]);
            writer.Write(new DateTime(2026, 11, 21, 1, 2, 3, 456, DateTimeKind.Utc));
            writer.Write(2.5);
            writer.Write(true);
            writer.Flush();
        }
    }

    [Fact]
    public void Writing_allocates_nothing()
    {
        var output = new ArrayBufferWriter<byte>(1 << 16);
        byte[] content = new byte[100];
        Round(output, content);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) Round(output, content);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(output.WrittenCount > 100);

        static void Round(ArrayBufferWriter<byte> output, byte[] content)
        {
            output.ResetWrittenCount();
            var writer = new MessagePackWriter(output);
            writer.WriteMapHeader(2);
            writer.Write("key");
            writer.Write(content);
            writer.WriteString("time"u8);
            writer.Write(DateTime.UnixEpoch);
            writer.Flush();
        }
    }

    /// <summary>Gives exactly the bytes asked for, so that every border between two pieces is met.</summary>
    private sealed class TightOutput : IBufferWriter<byte>
    {
        private byte[] _piece = [];

        public List<byte> Written { get; } = [];

        public void Advance(int count) => Written.AddRange(_piece.AsSpan(0, count));

        public Memory<byte> GetMemory(int sizeHint = 0) => _piece = new byte[Math.Max(sizeHint, 1)];

        public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;
    }
}
