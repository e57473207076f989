using System.Text;
using Tidemark.Core.Hashing;
using Tidemark.Core.Routing;

namespace Tidemark.Tests.Golden;

/// <summary>The tables of docs/format/hashing.md. A change here is a change of format.</summary>
public sealed class HashingFormatTests
{
    [Theory]
    [InlineData("", 0x02CC5D05u)]
    [InlineData("a", 0x550D7456u)]
    [InlineData("abc", 0x32D153FFu)]
    [InlineData("hello world", 0xCEBB6622u)]
    [InlineData("iggy-message-key", 0xF54B51C9u)]
    [InlineData("1234567890123456789012345", 0xB10C970Eu)]
    public void XxHash32_gives_the_published_hashes(string text, uint hash)
        => Assert.Equal(hash, XxHash32.HashToUInt32(Encoding.ASCII.GetBytes(text)));

    [Theory]
    [InlineData("", 0, 0x00000000u)]
    [InlineData("", 1, 0x514E28B7u)]
    [InlineData("", -1, 0x81F16F39u)]
    [InlineData("a", 0, 0x3C2569B2u)]
    [InlineData("abc", 0, 0xB3DD93FAu)]
    [InlineData("test", unchecked((int)0x9747B28C), 0x704B81DCu)]
    [InlineData("Hello, world!", unchecked((int)0x9747B28C), 0x24884CBAu)]
    [InlineData("The quick brown fox jumps over the lazy dog", unchecked((int)0x9747B28C), 0x2FA826CDu)]
    public void MurmurHash3_gives_the_published_hashes(string text, int seed, uint hash)
        => Assert.Equal(hash, MurmurHash3.HashToUInt32(Encoding.ASCII.GetBytes(text), seed));

    [Theory]
    [InlineData(0x0, 0x63852AFCu, 1, 1, 5)]
    [InlineData(0x1, 0x53075D44u, 0, 3, 7)]
    [InlineData(0x2, 0xC61FA2F4u, 1, 3, 15)]
    [InlineData(0x3, 0xA33B57B3u, 0, 3, 11)]
    [InlineData(1L << 20, 0x3AF90404u, 1, 1, 9)]
    [InlineData(0x100000000, 0x3AD85688u, 1, 0, 8)]
    [InlineData(0x500200007, 0x4A90BB6Bu, 2, 0, 0)]
    [InlineData(0xFFFFFFF423F, 0x9502AFBAu, 1, 2, 2)]
    [InlineData(0x100000000000, 0xD70CC6A3u, 2, 0, 12)]
    [InlineData(0xFFFFFFFFF423F, 0xC7DE0406u, 1, 2, 14)]
    [InlineData(long.MinValue, 0x516FAF25u, 0, 3, 15)]
    public void A_shard_is_placed_by_the_upper_half_of_its_hash(long shardId, uint hash, int of3, int of4, int of16)
    {
        Assert.Equal(hash, MurmurHash3.HashToUInt32(BitConverter.GetBytes(shardId)));
        Assert.Equal(0, ShardPlacement.PlaceByHash(shardId, 1));
        Assert.Equal(of3, ShardPlacement.PlaceByHash(shardId, 3));
        Assert.Equal(of4, ShardPlacement.PlaceByHash(shardId, 4));
        Assert.Equal(of16, ShardPlacement.PlaceByHash(shardId, 16));
    }

    [Theory]
    [InlineData(1ul, 1, 0)]
    [InlineData(42ul, 57, 43)]
    [InlineData(0xDEAD10CCul, 1, 0)]
    [InlineData(0xDEAD10CCul, 666, 361)]
    [InlineData(256ul, 1024, 520)]
    public void Jump_hash_gives_the_published_buckets(ulong key, int buckets, int bucket)
        => Assert.Equal(bucket, JumpHashRouter.Jump(key, buckets));

    [Fact]
    public void Even_ranges_have_the_borders_of_the_page()
        => Assert.Equal([0, 1431655765, 2863311530], HashRangeRouter.CreateEven(3).Ranges.Select(range => range.Start));

    [Fact]
    public void Content_ids_are_the_published_digests()
    {
        Assert.Equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", ContentId.Compute([]).ToString());
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", ContentId.Compute("abc"u8).ToString());
        Assert.Equal(2, ContentId.Algorithm);
    }
}
