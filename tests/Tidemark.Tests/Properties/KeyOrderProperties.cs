using FsCheck;
using FsCheck.Fluent;

namespace Tidemark.Tests.Properties;

public sealed class KeyOrderProperties
{
    /// <summary>Every key of up to 5 bytes over the bytes that matter: the least, the separator and its neighbours, a letter, and the two that are escaped.</summary>
    private static readonly byte[][] _smallKeys = [.. AllKeys([0x00, 0x2E, 0x2F, 0x61, 0xFE, 0xFF], 5)];

    private static readonly Gen<byte[]> _anyKey = Gen.Elements<byte>(0, 1, 2, 0x2E, 0x2F, 0x2F, 0x2F, 0x30, 0x61, 0x62, 0xFD, 0xFE, 0xFF)
        .Or(ArbMap.Default.GeneratorFor<byte>()).ArrayOf();

    private static readonly KeyOrder[] _orders = [KeyOrder.Hierarchical, KeyOrder.Natural];

    [Fact]
    public void What_is_encoded_decodes_to_the_same_key_and_has_the_length_foretold()
        => ForAllKeys(key => _orders.All(order =>
        {
            byte[] encoded = order.Encode(key);
            return encoded.Length == order.GetEncodedLength(key) && order.Decode(encoded).AsSpan().SequenceEqual(key);
        }));

    [Fact]
    public void Comparing_keys_and_comparing_their_encodings_is_the_same()
        => Prop.ForAll(_anyKey.ToArbitrary(), _anyKey.ToArbitrary(), (left, right) => _orders.All(order =>
            Math.Sign(order.Compare(left, right)) == Math.Sign(order.Encode(left).AsSpan().SequenceCompareTo(order.Encode(right)))
            && order.Compare(left, right) == 0 == left.AsSpan().SequenceEqual(right)))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5000));

    [Fact]
    public void Small_keys_sort_alike_encoded_and_compared_and_none_are_equal()
    {
        foreach (KeyOrder order in _orders)
        {
            byte[][] sorted = [.. _smallKeys.OrderBy(key => order.Encode(key), Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b)))];
            for (int i = 1; i < sorted.Length; i++) Assert.True(order.Compare(sorted[i - 1], sorted[i]) < 0);
        }
    }

    [Fact]
    public void Whatever_decodes_is_exactly_what_encoding_writes()
    {
        int accepted = 0;
        Gen<byte[]> anyEncoding = from depth in Gen.Choose(0, 4)
                                  from body in Gen.Elements<byte>(0x01, 0x02, 0x03, 0x2F, 0x61, 0xFE, 0xFE, 0xFF, 0xFF).ArrayOf()
                                  select (byte[])[0, (byte)depth, .. body];
        Prop.ForAll(anyEncoding.Or(ArbMap.Default.GeneratorFor<byte[]>()).ToArbitrary(), encoded =>
        {
            byte[] key;
            try
            {
                key = KeyOrder.Hierarchical.Decode(encoded);
            }
            catch (MalformedDataException)
            {
                return true;
            }

            accepted++;
            return KeyOrder.Hierarchical.Encode(key).AsSpan().SequenceEqual(encoded);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(20_000));
        Assert.NotEqual(0, accepted);
    }

    [Fact]
    public void Children_are_exactly_the_direct_children_of_every_parent()
    {
        var encodedKeys = _smallKeys.Select(key => (Key: key, Encoded: KeyOrder.Hierarchical.Encode(key))).ToArray();
        foreach (byte[] parent in AllKeys([0x00, 0x2E, 0x2F, 0x61, 0xFE, 0xFF], 3))
        {
            EncodedKeyRange range = KeyOrder.Hierarchical.Encode(KeyRange.Children(parent));
            foreach ((byte[] key, byte[] encoded) in encodedKeys)
            {
                if (IsChild(parent, key) != range.Contains(encoded)) Assert.Fail($"parent {Convert.ToHexString(parent)}, key {Convert.ToHexString(key)}");
            }
        }
    }

    [Fact]
    public void Children_of_arbitrary_parents_are_exactly_the_direct_children()
        => Prop.ForAll(_anyKey.ToArbitrary(), _anyKey.ToArbitrary(), Gen.Choose(0, 2).ToArbitrary(), (parent, tail, slashes) =>
        {
            byte[] key = [.. parent, .. Enumerable.Repeat((byte)'/', slashes), .. tail];
            return KeyOrder.Hierarchical.Encode(KeyRange.Children(parent)).Contains(KeyOrder.Hierarchical.Encode(key)) == IsChild(parent, key);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(20_000));

    [Fact]
    public void A_prefix_holds_exactly_the_keys_it_should_in_each_order()
    {
        var encodedKeys = _smallKeys.Select(key => (Key: key, Encoded: KeyOrder.Hierarchical.Encode(key))).ToArray();
        foreach (byte[] prefix in AllKeys([0x00, 0x2E, 0x2F, 0x61, 0xFE, 0xFF], 3))
        {
            EncodedKeyRange level = KeyOrder.Hierarchical.Encode(KeyRange.Prefix(prefix));
            EncodedKeyRange natural = KeyOrder.Natural.Encode(KeyRange.Prefix(prefix));
            foreach ((byte[] key, byte[] encoded) in encodedKeys)
            {
                bool begins = key.AsSpan().StartsWith(prefix);
                bool sameLevel = begins && !key.AsSpan(prefix.Length).Contains((byte)'/') && !key.AsSpan().EndsWith("//"u8);
                if (begins != natural.Contains(key) || sameLevel != level.Contains(encoded))
                    Assert.Fail($"prefix {Convert.ToHexString(prefix)}, key {Convert.ToHexString(key)}");
            }
        }
    }

    [Fact]
    public void A_range_between_two_keys_holds_what_compares_between_them()
        => Prop.ForAll(_anyKey.ToArbitrary(), _anyKey.ToArbitrary(), _anyKey.ToArbitrary(), (start, end, key) => _orders.All(order =>
        {
            bool expected = order.Compare(key, start) >= 0 && (end.Length == 0 || order.Compare(key, end) < 0);
            return order.Encode(KeyRange.Between(start, end)).Contains(order.Encode(key)) == expected
                && order.Encode(KeyRange.All).Contains(order.Encode(key));
        })).Check(Config.QuickThrowOnFailure.WithMaxTest(5000));

    /// <summary>The definition of the page, word by word.</summary>
    private static bool IsChild(ReadOnlySpan<byte> parent, ReadOnlySpan<byte> key)
        => key.StartsWith(parent) && key.Length > parent.Length && key[parent.Length] == '/'
        && !key[(parent.Length + 1)..].Contains((byte)'/') && !key.EndsWith("//"u8);

    private static void ForAllKeys(Func<byte[], bool> holds)
    {
        Assert.All(_smallKeys, key => Assert.True(holds(key)));
        Prop.ForAll(_anyKey.ToArbitrary(), holds).Check(Config.QuickThrowOnFailure.WithMaxTest(5000));
    }

    private static IEnumerable<byte[]> AllKeys(byte[] alphabet, int maxLength)
    {
        IEnumerable<byte[]> ofLength = [[]];
        for (int length = 0; length <= maxLength; length++)
        {
            byte[][] keys = [.. ofLength];
            foreach (byte[] key in keys) yield return key;
            ofLength = keys.SelectMany(key => alphabet.Select(next => (byte[])[.. key, next]));
        }
    }
}
