using Tidemark.Core.Hashing;

namespace Tidemark.Tests.Golden;

public class StateHashFormatTests
{
    [Theory]
    [InlineData("", 0x0000000000000000, 0x0000000000000000)]
    [InlineData("hello", 0xcbd8a7b341bd9b02, 0x5b1e906a48ae1d19)]
    [InlineData("The quick brown fox jumps over the lazy dog", 0xe34bbc7bbc071b6c, 0x7a433ca9c49a9347)]
    public void The_hash_gives_the_published_vectors(string text, ulong first, ulong second) =>
        Assert.Equal((first, second), MurmurHash3X64.Hash(System.Text.Encoding.ASCII.GetBytes(text)));

    [Fact]
    public void The_example_of_the_format_page_holds() =>
        Assert.Equal("743be0d9297be40a06acadcf1d4d6e47/1", default(StateHash).With("a"u8, "b"u8).ToString());

    [Fact]
    public void Rows_that_come_and_go_in_any_order_leave_the_same_hash()
    {
        StateHash hash = default(StateHash).With("a"u8, "1"u8).With("b"u8, "2"u8).With("c"u8, "3"u8).Without("b"u8, "2"u8);
        Assert.Equal(default(StateHash).With("c"u8, "3"u8).With("a"u8, "1"u8), hash);
    }

    [Fact]
    public void A_byte_that_moves_from_the_key_to_the_value_gives_another_hash() =>
        Assert.NotEqual(default(StateHash).With("ab"u8, "c"u8), default(StateHash).With("a"u8, "bc"u8));
}
