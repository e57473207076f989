using System.Security.Cryptography;

namespace Tidemark.Tests.Unit;

public sealed class ContentIdTests
{
    private static readonly ContentId _abc = ContentId.Compute("abc"u8);

    [Fact]
    public void Bytes_and_text_read_back()
    {
        byte[] bytes = new byte[ContentId.SizeInBytes];
        _abc.WriteTo(bytes);
        Assert.Equal(SHA256.HashData("abc"u8), bytes);
        Assert.Equal(_abc, ContentId.ReadFrom(bytes));
        Assert.Equal(_abc, ContentId.Parse(_abc.ToString()));
        Assert.Equal(Convert.ToHexStringLower(bytes), $"{_abc}");
    }

    [Fact]
    public void A_digest_computed_piece_by_piece_is_the_same_id()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("a"u8);
        hash.AppendData("bc"u8);
        Assert.Equal(_abc, ContentId.ReadFrom(hash.GetHashAndReset()));
    }

    [Fact]
    public void Ids_bytes_and_text_have_one_order()
    {
        ContentId[] ids = [.. Enumerable.Range(0, 200).Select(i => ContentId.Compute(BitConverter.GetBytes(i)))];
        byte[] left = new byte[32], right = new byte[32];
        foreach (ContentId a in ids)
        {
            foreach (ContentId b in ids)
            {
                a.WriteTo(left);
                b.WriteTo(right);
                int order = Math.Sign(a.CompareTo(b));
                Assert.Equal(order, Math.Sign(left.AsSpan().SequenceCompareTo(right)));
                Assert.Equal(order, Math.Sign(string.CompareOrdinal(a.ToString(), b.ToString())));
                Assert.Equal(order, (a > b ? 1 : 0) - (a < b ? 1 : 0));
                Assert.Equal(order, (a >= b ? 1 : 0) - (a <= b ? 1 : 0));
                Assert.Equal(order == 0, a == b);
                Assert.Equal(order != 0, a != b);
            }
        }
    }

    [Fact]
    public void Order_looks_at_every_byte()
    {
        for (int i = 0; i < ContentId.SizeInBytes; i++)
        {
            byte[] bytes = new byte[ContentId.SizeInBytes];
            bytes[i] = 1;
            Assert.True(ContentId.ReadFrom(bytes) > default(ContentId));
            Assert.NotEqual(default, ContentId.ReadFrom(bytes));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a")]
    [InlineData("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015add")]
    [InlineData("BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData("ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData(" a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    public void Any_other_spelling_is_refused(string text)
    {
        Assert.False(ContentId.TryParse(text, out _));
        Assert.Throws<FormatException>(() => ContentId.Parse(text));
    }

    [Fact]
    public void A_span_that_is_too_short_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => ContentId.ReadFrom(new byte[31]));
        Assert.Throws<ArgumentOutOfRangeException>(() => _abc.WriteTo(new byte[31]));
        Assert.False(_abc.TryFormat(new char[63], out int written));
        Assert.Equal(0, written);
    }

    [Fact]
    public void Computing_comparing_and_formatting_allocate_nothing()
    {
        char[] text = new char[ContentId.TextLength];
        byte[] content = new byte[1000];
        int sink = Round(content, text);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) sink += Round(content, text);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(sink > 0);

        static int Round(byte[] content, char[] text)
        {
            content[0]++;
            ContentId id = ContentId.Compute(content);
            id.TryFormat(text, out int written);
            return ContentId.Parse(text.AsSpan()) == id ? written : throw new InvalidOperationException();
        }
    }
}
