using System.Buffers.Binary;
using System.Text;
using Tidemark.Core.Hashing;

namespace Tidemark.Tests.Unit;

public sealed class Crc32CTests
{
    [Fact]
    public void The_published_vectors_hold()
    {
        Assert.Equal(0u, Crc32C.Compute([]));
        Assert.Equal(0xE3069283u, Crc32C.Compute(Encoding.ASCII.GetBytes("123456789")));
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Compute(Enumerable.Repeat((byte)0xFF, 32).ToArray()));
        Assert.Equal(0x46DD794Eu, Crc32C.Compute(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray()));
    }

    [Fact]
    public void Every_length_agrees_with_the_bitwise_definition()
    {
        byte[] bytes = RandomBytes(seed: 1, 5000);
        uint state = uint.MaxValue;
        for (int length = 0; length <= bytes.Length; length++)
        {
            Assert.Equal(~state, Crc32C.Compute(bytes.AsSpan(0, length)));
            if (length < bytes.Length) state = Bitwise(state, bytes[length]);
        }
    }

    [Fact]
    public void Lengths_around_the_lane_borders_agree_at_every_alignment()
    {
        byte[] bytes = RandomBytes(seed: 2, 8 * 3 * Crc32C.LongLaneBytes);
        foreach (int border in new[] { 3 * Crc32C.ShortLaneBytes, 3 * Crc32C.LongLaneBytes, 6 * Crc32C.LongLaneBytes + 3 * Crc32C.ShortLaneBytes })
        {
            for (int start = 0; start < 16; start++)
            {
                for (int length = border - 9; length <= border + 9; length++)
                {
                    ReadOnlySpan<byte> part = bytes.AsSpan(start, length);
                    Assert.Equal(Bitwise(part), Crc32C.Compute(part));
                }
            }
        }
    }

    [Fact]
    public void Appending_the_parts_equals_the_whole_wherever_it_is_split()
    {
        byte[] bytes = RandomBytes(seed: 3, 40_000);
        var chance = new Random(4);
        for (int round = 0; round < 2000; round++)
        {
            int length = chance.Next(bytes.Length + 1), split = chance.Next(length + 1);
            ReadOnlySpan<byte> whole = bytes.AsSpan(0, length);
            uint crc = Crc32C.Append(Crc32C.Compute(whole[..split]), whole[split..]);
            Assert.Equal(Crc32C.Compute(whole), crc);
        }
    }

    [Fact]
    public void Appending_a_number_equals_appending_its_little_endian_bytes()
    {
        byte[] bytes = RandomBytes(seed: 5, 8 * 100);
        uint byNumber = 0;
        for (int i = 0; i < bytes.Length; i += 8)
            byNumber = Crc32C.Append(byNumber, BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(i)));
        Assert.Equal(Bitwise(bytes), byNumber);
    }

    [Fact]
    public void Computing_allocates_nothing()
    {
        byte[] bytes = RandomBytes(seed: 6, 100_000);
        uint sink = Crc32C.Compute(bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) sink ^= Crc32C.Append(sink, bytes.AsSpan(i));
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.NotEqual(0u, sink);
    }

    private static uint Bitwise(ReadOnlySpan<byte> bytes)
    {
        uint state = uint.MaxValue;
        foreach (byte value in bytes) state = Bitwise(state, value);
        return ~state;
    }

    /// <summary>One byte of the definition, a bit at a time: slow, and with nothing in common with the code under test.</summary>
    private static uint Bitwise(uint state, byte value)
    {
        state ^= value;
        for (int bit = 0; bit < 8; bit++) state = (state & 1) != 0 ? (state >> 1) ^ 0x82F63B78u : state >> 1;
        return state;
    }

    private static byte[] RandomBytes(int seed, int count)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
