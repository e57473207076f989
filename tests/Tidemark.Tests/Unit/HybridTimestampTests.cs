using System.Text;

namespace Tidemark.Tests.Unit;

public sealed class HybridTimestampTests
{
    private static readonly HybridTimestamp _example = HybridTimestamp.FromParts(1_795_232_746_123_456, 0xa3);

    [Fact]
    public void The_two_parts_come_back_as_they_were_put_in()
    {
        Assert.Equal(1_795_232_746_123_456, _example.UnixMicroseconds);
        Assert.Equal(0xa3, _example.Counter);
        Assert.Equal(new DateTimeOffset(2026, 11, 21, 3, 45, 46, TimeSpan.Zero).AddMicroseconds(123_456), _example.Physical);
    }

    [Fact]
    public void The_range_is_1970_to_a_microsecond_in_September_2112()
    {
        Assert.Equal(DateTimeOffset.UnixEpoch, HybridTimestamp.MinValue.Physical);
        Assert.Equal("2112-09-17T23:53:47.370495Z.fff", HybridTimestamp.MaxValue.ToString());
        Assert.Equal(default, HybridTimestamp.MinValue);
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(HybridTimestamp.MaxUnixMicroseconds + 1, 0)]
    [InlineData(0, -1)]
    [InlineData(0, HybridTimestamp.MaxCounter + 1)]
    public void A_part_that_does_not_fit_is_refused(long microseconds, int counter)
        => Assert.Throws<ArgumentOutOfRangeException>(() => HybridTimestamp.FromParts(microseconds, counter));

    [Fact]
    public void A_time_finer_than_a_microsecond_is_cut_off_not_rounded()
    {
        DateTimeOffset fine = _example.Physical.AddTicks(9);
        Assert.Equal(_example.UnixMicroseconds, HybridTimestamp.FromDateTimeOffset(fine).UnixMicroseconds);
        Assert.Equal(0, HybridTimestamp.FromDateTimeOffset(fine).Counter);
    }

    [Fact]
    public void A_time_of_another_offset_is_the_same_instant()
    {
        DateTimeOffset elsewhere = _example.Physical.ToOffset(TimeSpan.FromHours(-7));
        Assert.Equal(_example.Physical, HybridTimestamp.FromDateTimeOffset(elsewhere).Physical);
    }

    [Fact]
    public void A_time_outside_the_range_is_refused()
    {
        DateTimeOffset last = HybridTimestamp.MaxValue.Physical;
        Assert.Equal(HybridTimestamp.MaxUnixMicroseconds, HybridTimestamp.FromDateTimeOffset(last.AddTicks(9)).UnixMicroseconds);
        Assert.Throws<ArgumentOutOfRangeException>(() => HybridTimestamp.FromDateTimeOffset(last.AddTicks(10)));
        Assert.Throws<ArgumentOutOfRangeException>(() => HybridTimestamp.FromDateTimeOffset(DateTimeOffset.UnixEpoch.AddTicks(-1)));
    }

    [Fact]
    public void After_a_full_counter_comes_the_next_microsecond()
        => Assert.Equal(HybridTimestamp.FromParts(6, 0), HybridTimestamp.FromParts(5, HybridTimestamp.MaxCounter).Next());

    [Fact]
    public void Steps_beyond_the_end_are_an_error_and_never_wrap()
    {
        var beforeLast = new HybridTimestamp(ulong.MaxValue - 1);
        Assert.Equal(HybridTimestamp.MaxValue, beforeLast.Next());
        Assert.Equal(beforeLast, beforeLast.Next(0));
        Assert.Throws<OverflowException>(() => beforeLast.Next(2));
        Assert.Throws<OverflowException>(() => HybridTimestamp.MaxValue.Next());
        Assert.Throws<ArgumentOutOfRangeException>(() => beforeLast.Next(-1));
    }

    [Fact]
    public void Uncertainty_reaches_from_the_first_to_the_last_stamp_of_its_end_microseconds()
    {
        UncertaintyInterval interval = HybridTimestamp.FromParts(1000, 7).GetUncertainty(TimeSpan.FromMicroseconds(10));
        Assert.Equal(HybridTimestamp.FromParts(990, 0), interval.Earliest);
        Assert.Equal(HybridTimestamp.FromParts(1010, HybridTimestamp.MaxCounter), interval.Latest);
        Assert.True(interval.Contains(interval.Earliest));
        Assert.True(interval.Contains(interval.Latest));
        Assert.False(interval.Contains(interval.Latest.Next()));
        Assert.False(interval.Contains(HybridTimestamp.FromParts(989, HybridTimestamp.MaxCounter)));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(10, 1)]
    [InlineData(11, 2)]
    public void Drift_is_rounded_up_to_whole_microseconds(long ticks, long microseconds)
    {
        UncertaintyInterval interval = HybridTimestamp.FromParts(1000, 0).GetUncertainty(new TimeSpan(ticks));
        Assert.Equal(1000 - microseconds, interval.Earliest.UnixMicroseconds);
        Assert.Equal(1000 + microseconds, interval.Latest.UnixMicroseconds);
    }

    [Fact]
    public void Uncertainty_stops_at_the_ends_of_the_range()
    {
        Assert.Equal(HybridTimestamp.MinValue, HybridTimestamp.MinValue.GetUncertainty(TimeSpan.MaxValue).Earliest);
        Assert.Equal(HybridTimestamp.MaxValue, HybridTimestamp.MinValue.GetUncertainty(TimeSpan.MaxValue).Latest);
        Assert.Throws<ArgumentOutOfRangeException>(() => HybridTimestamp.MinValue.GetUncertainty(new TimeSpan(-1)));
    }

    [Fact]
    public void Intervals_overlap_when_they_share_one_timestamp()
    {
        UncertaintyInterval early = HybridTimestamp.FromParts(100, 0).GetUncertainty(TimeSpan.FromMicroseconds(5));
        Assert.True(early.Overlaps(HybridTimestamp.FromParts(110, 0).GetUncertainty(TimeSpan.FromMicroseconds(5))));
        Assert.False(early.Overlaps(HybridTimestamp.FromParts(111, 0).GetUncertainty(TimeSpan.FromMicroseconds(5))));
        Assert.True(HybridTimestamp.FromParts(110, 0).GetUncertainty(TimeSpan.FromMicroseconds(5)).Overlaps(early));
    }

    [Fact]
    public void Text_is_read_from_UTF16_and_UTF8_alike()
    {
        string text = _example.ToString();
        Assert.Equal("2026-11-21T03:45:46.123456Z.0a3", text);
        Assert.Equal(_example, HybridTimestamp.Parse(text));
        Assert.Equal(_example, HybridTimestamp.Parse(Encoding.UTF8.GetBytes(text)));
        Assert.Equal(text, $"{_example}");
        Assert.Equal(text, $"{_example:G}");
    }

    [Theory]
    [InlineData("")]
    [InlineData("2026-11-21T03:45:46.123456Z")]            // no counter
    [InlineData("2026-11-21T03:45:46.123456Z.0a")]         // a digit short
    [InlineData("2026-11-21T03:45:46.123456Z.0a30")]       // a digit long
    [InlineData("2026-11-21T03:45:46.123456Z.0A3")]        // capitals would be a second text for one value
    [InlineData("2026-11-21T03:45:46.123456Z.0g3")]
    [InlineData("2026-11-21t03:45:46.123456Z.0a3")]
    [InlineData("2026-11-21T03:45:46.12345aZ.0a3")]        // hexadecimal only in the counter
    [InlineData(" 2026-11-21T03:45:46.12345Z.0a3")]
    [InlineData("2026-11-21T03:45:46,123456Z.0a3")]
    [InlineData("2026-02-29T03:45:46.123456Z.0a3")]        // no leap year
    [InlineData("2026-00-21T03:45:46.123456Z.0a3")]
    [InlineData("2026-13-21T03:45:46.123456Z.0a3")]
    [InlineData("2026-11-00T03:45:46.123456Z.0a3")]
    [InlineData("2026-11-31T03:45:46.123456Z.0a3")]
    [InlineData("2026-11-21T24:00:00.000000Z.000")]
    [InlineData("2026-11-21T23:60:00.000000Z.000")]
    [InlineData("2026-11-21T23:59:60.000000Z.000")]        // leap seconds are not counted
    [InlineData("1969-12-31T23:59:59.999999Z.fff")]
    [InlineData("2112-09-17T23:53:47.370496Z.000")]        // one microsecond beyond the end
    [InlineData("9999-12-31T23:59:59.999999Z.fff")]
    [InlineData("２026-11-21T03:45:46.123456Z.0a3")]        // a digit of another script
    public void Any_other_text_is_refused(string text)
    {
        Assert.False(HybridTimestamp.TryParse(text, out HybridTimestamp value));
        Assert.Equal(default, value);
        Assert.False(HybridTimestamp.TryParse(Encoding.UTF8.GetBytes(text), null, out _));
        Assert.Throws<FormatException>(() => HybridTimestamp.Parse(text));
    }

    [Fact]
    public void A_buffer_too_short_takes_no_text_and_another_format_is_an_error()
    {
        Assert.False(_example.TryFormat(new char[HybridTimestamp.TextLength - 1], out int written));
        Assert.Equal(0, written);
        Assert.False(_example.TryFormat(new byte[HybridTimestamp.TextLength - 1], out written));
        Assert.Equal(0, written);
        Assert.Throws<FormatException>(() => _example.ToString("O", null));
    }

    [Fact]
    public void Bytes_need_room_for_eight()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _example.WriteTo(new byte[7]));
        Assert.Throws<ArgumentOutOfRangeException>(() => HybridTimestamp.ReadFrom(new byte[7]));
    }

    [Fact]
    public void Comparing_with_another_type_is_an_error_and_null_comes_first()
    {
        Assert.Equal(1, _example.CompareTo(null));
        Assert.Throws<ArgumentException>(() => _example.CompareTo("text"));
        Assert.False(_example.Equals("text"));
        Assert.True(_example.Equals((object)_example));
    }
}
