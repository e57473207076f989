namespace Tidemark.Tests.Unit;

public sealed class KeyOrderTests
{
    [Theory]
    [InlineData("", 0)]              // No depth.
    [InlineData("00", 1)]            // Half a depth.
    [InlineData("000061FF", 0)]      // "a/" has depth 1.
    [InlineData("000161", 0)]        // "a" has depth 0.
    [InlineData("0002FFFF", 0)]      // "//" has depth 1.
    [InlineData("8000", 0)]          // The top bit is never set.
    [InlineData("0001612F62", 3)]    // A plain separator.
    [InlineData("000061FE", 3)]      // An escape without its second byte.
    [InlineData("000061FE03", 3)]    // An escape that stands for nothing.
    [InlineData("000061FE00", 3)]
    public void Bytes_that_no_key_encodes_to_are_refused_where_they_go_wrong(string encoded, long position)
    {
        var refusal = Assert.Throws<MalformedDataException>(() => KeyOrder.Hierarchical.Decode(Convert.FromHexString(encoded)));
        Assert.Equal(position, refusal.Position);
    }

    [Fact]
    public void Depth_stops_where_the_top_bit_would_be_set()
    {
        byte[] deep = new byte[40_000];
        deep.AsSpan().Fill((byte)'/');
        deep[^1] = (byte)'a';
        byte[] encoded = KeyOrder.Hierarchical.Encode(deep);
        Assert.Equal([0x7F, 0xFF], encoded[..2]);
        Assert.Equal(deep, KeyOrder.Hierarchical.Decode(encoded));
        Assert.True(KeyOrder.Hierarchical.Compare(deep, deep.AsSpan(0, 35_000)) > 0);
    }

    [Fact]
    public void Children_are_exact_down_to_the_last_level_of_its_own_and_refused_below()
    {
        byte[] deepest = new byte[32_765 + 1];
        deepest.AsSpan().Fill((byte)'/');
        deepest[^1] = (byte)'a';
        EncodedKeyRange children = KeyOrder.Hierarchical.Encode(KeyRange.Children(deepest));
        Assert.True(children.Contains(KeyOrder.Hierarchical.Encode([.. deepest, .. "/b"u8])));
        Assert.False(children.Contains(KeyOrder.Hierarchical.Encode([.. deepest, .. "/b/c"u8])));
        Assert.Throws<ArgumentException>(() => KeyOrder.Hierarchical.Encode(KeyRange.Children([.. "/"u8, .. deepest])));
    }

    [Fact]
    public void Children_are_refused_in_natural_order()
        => Assert.Throws<ArgumentException>(() => KeyOrder.Natural.Encode(KeyRange.Children("a")));

    [Fact]
    public void A_destination_that_is_too_short_by_any_amount_is_refused()
    {
        byte[] key = [.. "a/b"u8, 0xFE, .. "c"u8, 0xFF];
        foreach (KeyOrder order in new[] { KeyOrder.Hierarchical, KeyOrder.Natural })
        {
            byte[] encoded = order.Encode(key);
            for (int length = 0; length < encoded.Length; length++)
                Assert.Throws<ArgumentException>(() => order.Encode(key, new byte[length]));
            for (int length = 0; length < key.Length; length++)
                Assert.Throws<ArgumentException>(() => order.Decode(encoded, new byte[length]));
            Assert.Equal(key.Length, order.Decode(encoded, new byte[key.Length]));
        }
    }

    [Fact]
    public void A_range_keeps_its_keys_when_the_caller_changes_the_buffer()
    {
        byte[] prefix = [.. "a"u8];
        KeyRange range = KeyRange.Prefix(prefix);
        prefix[0] = (byte)'b';
        Assert.True(KeyOrder.Natural.Encode(range).Contains("ab"u8));
    }

    [Fact]
    public void Text_that_is_not_unicode_is_refused()
        => Assert.ThrowsAny<ArgumentException>(() => KeyRange.Prefix("\uD800"));

    [Fact]
    public void Encoding_decoding_and_comparing_allocate_nothing()
    {
        byte[] key = [.. "/services/api/a-1"u8, 0xFF, 0xFE], other = [.. "/services/api/a-2"u8], encoded = new byte[64], decoded = new byte[64];
        int sink = Round();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) sink += Round();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(sink > 0);

        int Round()
        {
            int length = KeyOrder.Hierarchical.Encode(key, encoded);
            int back = KeyOrder.Hierarchical.Decode(encoded.AsSpan(0, length), decoded);
            return length - back + (KeyOrder.Hierarchical.Compare(key, other) < 0 ? 1 : -10);
        }
    }
}
