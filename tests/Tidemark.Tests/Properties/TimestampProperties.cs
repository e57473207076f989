using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Tidemark.Tests.Properties;

public sealed class TimestampProperties
{
    // Words near each other, near the ends and anywhere: order must hold across every carry.
    private static readonly Gen<ulong> _word = Gen.OneOf(
        ArbMap.Default.GeneratorFor<ulong>(),
        Gen.Choose(0, 10_000).Select(n => (ulong)n),
        Gen.Choose(0, 10_000).Select(n => ulong.MaxValue - (ulong)n),
        Gen.Choose(-5_000, 5_000).Select(n => (1_795_232_746_123_456UL << 12) + (ulong)n));

    private static readonly Arbitrary<HybridTimestamp> _times = _word.Select(w => new HybridTimestamp(w)).ToArbitrary();

    private static readonly Arbitrary<UniqueTimestamp> _uniques =
        (from time in _word from node in Gen.OneOf(_word, Gen.Choose(0, 3).Select(n => (ulong)n)) select new UniqueTimestamp(new(time), node))
        .ToArbitrary();

    [Fact]
    public void Order_of_values_of_bytes_and_of_texts_is_one_order()
        => Prop.ForAll(_times, _times, (a, b) =>
        {
            int order = Math.Sign(a.Value.CompareTo(b.Value));
            return Math.Sign(a.CompareTo(b)) == order
                && Math.Sign(Bytes(a).AsSpan().SequenceCompareTo(Bytes(b))) == order
                && Math.Sign(string.CompareOrdinal(a.ToString(), b.ToString())) == order
                && (a < b) == (order < 0) && (a > b) == (order > 0) && (a <= b) == (order <= 0) && (a >= b) == (order >= 0)
                && (a == b) == (order == 0) && (a != b) == (order != 0);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Bytes_texts_and_parts_come_back()
        => Prop.ForAll(_times, time =>
        {
            Span<byte> utf8 = stackalloc byte[HybridTimestamp.TextLength];
            bool fits = time.TryFormat(utf8, out int written);
            return fits && written == utf8.Length
                && HybridTimestamp.ReadFrom(Bytes(time)) == time
                && HybridTimestamp.Parse(time.ToString()) == time
                && HybridTimestamp.Parse(utf8) == time
                && Encoding.UTF8.GetString(utf8) == time.ToString()
                && HybridTimestamp.FromParts(time.UnixMicroseconds, time.Counter) == time
                && HybridTimestamp.FromDateTimeOffset(time.Physical) == HybridTimestamp.FromParts(time.UnixMicroseconds, 0);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_next_timestamp_is_above_with_nothing_between()
        => Prop.ForAll(_times, time => time == HybridTimestamp.MaxValue || time.Next().Value - time.Value == 1).QuickCheckThrowOnFailure();

    [Fact]
    public void Unique_timestamps_order_alike_as_values_bytes_and_texts_and_come_back()
        => Prop.ForAll(_uniques, _uniques, (a, b) =>
        {
            int order = Math.Sign((a.Timestamp.Value, a.NodeId).CompareTo((b.Timestamp.Value, b.NodeId)));
            return Math.Sign(a.CompareTo(b)) == order
                && Math.Sign(Bytes(a).AsSpan().SequenceCompareTo(Bytes(b))) == order
                && Math.Sign(string.CompareOrdinal(a.ToString(), b.ToString())) == order
                && UniqueTimestamp.ReadFrom(Bytes(a)) == a
                && UniqueTimestamp.Parse(a.ToString()) == a;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_changed_character_is_refused_or_reads_as_a_text_of_its_own()
    {
        Gen<(HybridTimestamp, int, char)> changes =
            from word in _word
            from at in Gen.Choose(0, HybridTimestamp.TextLength - 1)
            from put in Gen.Choose(0, 127)
            select (new HybridTimestamp(word), at, (char)put);
        Prop.ForAll(changes.ToArbitrary(), change =>
        {
            (HybridTimestamp time, int at, char put) = change;
            char[] text = time.ToString().ToCharArray();
            text[at] = put;
            return !HybridTimestamp.TryParse(text, out HybridTimestamp read) || read.ToString() == new string(text);
        }).QuickCheckThrowOnFailure();
    }

    private static byte[] Bytes(HybridTimestamp time)
    {
        byte[] bytes = new byte[HybridTimestamp.SizeInBytes];
        time.WriteTo(bytes);
        return bytes;
    }

    private static byte[] Bytes(UniqueTimestamp time)
    {
        byte[] bytes = new byte[UniqueTimestamp.SizeInBytes];
        time.WriteTo(bytes);
        return bytes;
    }
}
