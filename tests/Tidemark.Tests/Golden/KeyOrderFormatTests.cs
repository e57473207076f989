using System.Text;

namespace Tidemark.Tests.Golden;

/// <summary>The lists and tables of docs/format/key-order.md. A change here is a change of format.</summary>
public sealed class KeyOrderFormatTests
{
    private static readonly string[] _hierarchical =
    [
        "", "__sys", "a", "aa", "b", "z", "a/b", "/", "/a", "/a-", "/a.", "/a0", "/b", "//", "a/b/c", "/a/", "/a/a-1", "/a/b", "/a//", "/b/", "/b/c",
        "///", "/a/b/", "/a/b/c", "/a/b//",
    ];

    private static readonly string[] _natural =
    [
        "", "/", "//", "///", "/a", "/a-", "/a.", "/a/", "/a//", "/a/a-1", "/a/b", "/a/b/", "/a/b//", "/a/b/c", "/a0", "/b", "/b/", "/b/c",
        "__sys", "a", "a/b", "a/b/c", "aa", "b", "z",
    ];

    [Fact]
    public void Hierarchical_keys_ascend_as_listed() => AssertAscending(KeyOrder.Hierarchical, _hierarchical);

    [Fact]
    public void Natural_keys_ascend_as_listed() => AssertAscending(KeyOrder.Natural, _natural);

    [Theory]
    [InlineData("", "0000")]
    [InlineData("61", "0000 61")]
    [InlineData("61 2F 62", "0001 61 FF 62")]
    [InlineData("2F", "0001 FF")]
    [InlineData("2F 2F", "0001 FF FF")]
    [InlineData("2F 61 2F 2F", "0002 FF 61 FF FF")]
    [InlineData("61 FE FF", "0000 61 FE 01 FE 02")]
    public void Hierarchical_encodings_are_the_bytes_of_the_page(string key, string encoded)
    {
        Assert.Equal(Hex(encoded), KeyOrder.Hierarchical.Encode(Hex(key)));
        Assert.Equal(Hex(key), KeyOrder.Hierarchical.Decode(Hex(encoded)));
    }

    [Theory]
    [InlineData("", "0001 FF", "0001 FF FF")]
    [InlineData("a", "0001 61 FF", "0001 61 FF FF")]
    [InlineData("/", "0002 FF FF", "0002 FF FF FF")]
    [InlineData("a/", "0002 61 FF FF", "0002 61 FF FF FF")]
    [InlineData("//", "0003 FF FF FF", "0003 FF FF FF FF")]
    public void Ranges_of_children_are_the_bytes_of_the_page(string parent, string start, string end)
    {
        EncodedKeyRange range = KeyOrder.Hierarchical.Encode(KeyRange.Children(parent));
        Assert.Equal(Hex(start), range.Start.ToArray());
        Assert.Equal(Hex(end), range.End.ToArray());
    }

    [Fact]
    public void Where_the_parent_does_not_end_in_a_slash_two_keys_say_the_same_range()
    {
        foreach (string parent in new[] { "", "a", "/a", "/a/b" })
        {
            EncodedKeyRange children = KeyOrder.Hierarchical.Encode(KeyRange.Children(parent));
            EncodedKeyRange between = KeyOrder.Hierarchical.Encode(KeyRange.Between(parent + "/", parent + "//"));
            Assert.Equal(between.Start.ToArray(), children.Start.ToArray());
            Assert.Equal(between.End.ToArray(), children.End.ToArray());
        }
    }

    [Fact]
    public void Numbers_of_orders_are_fixed()
    {
        Assert.Equal((0, 1), (KeyOrder.Hierarchical.Number, KeyOrder.Natural.Number));
        Assert.True(KeyOrder.TryGet(0, out KeyOrder? zero) && KeyOrder.TryGet(1, out KeyOrder? one) && zero == KeyOrder.Hierarchical && one == KeyOrder.Natural);
        Assert.False(KeyOrder.TryGet(2, out _));
    }

    private static void AssertAscending(KeyOrder order, string[] ascending)
    {
        byte[][] keys = [.. ascending.Select(Encoding.UTF8.GetBytes)];
        for (int i = 0; i < keys.Length; i++)
        {
            for (int j = 0; j < keys.Length; j++)
            {
                int expected = Math.Sign(i.CompareTo(j));
                Assert.Equal(expected, Math.Sign(order.Compare(keys[i], keys[j])));
                Assert.Equal(expected, Math.Sign(order.Encode(keys[i]).AsSpan().SequenceCompareTo(order.Encode(keys[j]))));
            }
        }
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));
}
