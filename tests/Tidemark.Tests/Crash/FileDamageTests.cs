namespace Tidemark.Tests.Crash;

/// <summary>
/// Damages the files of a log and reads what is left in every way a reader can: forwards, backwards, from each offset, by each time. LogRotTests
/// flips every bit and reads forwards; here the readings are many and the promise is exact: damage costs no record that lies wholly before it.
/// </summary>
public sealed class FileDamageTests
{
    /// <summary>
    /// A segment that holds a single record is lost. The seal of the one before carries the lost record's offset, since it names the offset that
    /// comes next, and its checksums are whole: a reader that looks at offsets alone takes it for the record.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_lost_segment_is_missed_by_every_reader_also_where_it_held_one_record(bool isClosed)
    {
        // Records too large to share a segment.
        DamagedLog log = await DamagedLog.MakeAsync(isClosed, Enumerable.Range(0, 6).Select(i => DamagedLog.Record(i, 2500)));
        Assert.Equal(6, log.Segments.Length);
        foreach (string segment in log.Segments) Assert.Equal(-1, await log.ReadAsync(log.Without(segment), 0, $"{segment} lost"));
    }

    [Fact]
    public async Task A_closed_log_is_whole_to_every_reader_or_refused_wherever_a_bit_is_flipped()
    {
        DamagedLog log = await MixedAsync(isClosed: true);
        int refused = 0, whole = 0;
        foreach ((string name, byte[] bytes) in log.Files)
        {
            for (int at = 0; at < bytes.Length; at += 3)
            {
                byte[] damaged = [.. bytes];
                damaged[at] ^= (byte)(1 << (at % 8));
                if (await log.ReadAsync(log.With(name, damaged), log.Count, $"byte {at} of {name} changed") < 0) refused++;
                else whole++;
            }
        }

        Assert.True(refused > 1_500 && whole > 150, $"{refused} refused, {whole} whole");
    }

    [Fact]
    public async Task A_crashed_log_cut_at_any_byte_opens_with_every_record_before_the_cut()
    {
        DamagedLog log = await MixedAsync(isClosed: false);
        string last = log.LastSegment;
        byte[] bytes = log.Files[last];
        List<long> ends = log.EndsIn(last);
        int before = log.Count - ends.Count;
        Assert.True(ends.Count >= 3 && before > 0);
        for (int length = 80; length <= bytes.Length; length++)
        {
            int left = await log.ReadAsync(log.With(last, bytes[..length]), 0, $"{last} cut to {length} bytes");
            Assert.True(left == before + ends.Count(end => end <= length), $"{last} cut to {length} bytes: {left} records are left");
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cut_grown_and_overwritten_files_are_refused_or_keep_every_record_before_the_damage(bool isClosed)
    {
        DamagedLog log = await MixedAsync(isClosed);
        byte[] garbage = DamagedLog.Record(99, 700);
        foreach ((string name, byte[] bytes) in log.Files)
        {
            int Owed(long damageAt) => name == log.LastSegment && !isClosed ? log.Count - log.EndsIn(name).Count(end => end > damageAt) : log.Count;

            Task Read(byte[] damaged, long at, string what) => log.ReadAsync(log.With(name, damaged), Owed(at), $"{name} {what}");

            for (int length = 0; length < bytes.Length; length += 5) await Read(bytes[..length], length, $"cut to {length} bytes");
            foreach (int grown in (int[])[1, 8, 47, 512, 5000]) await Read([.. bytes, .. new byte[grown]], bytes.Length, $"longer by {grown} zeros");
            foreach (int grown in (int[])[1, 8, 47, 512, 700]) await Read([.. bytes, .. garbage[..grown]], bytes.Length, $"longer by {grown} bytes of garbage");
            await Read([.. bytes, .. bytes], bytes.Length, "doubled");
            for (int sector = 0; sector < bytes.Length; sector += 512)
            {
                int length = Math.Min(512, bytes.Length - sector);
                await Read(Overwritten(bytes, sector, new byte[length]), sector, $"zero at {sector}");
                await Read(Overwritten(bytes, sector, garbage.AsSpan(0, length)), sector, $"garbage at {sector}");
                if (sector >= 512) await Read(Overwritten(bytes, sector, bytes.AsSpan(sector - 512, length)), sector, $"the sector before once more at {sector}");
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Lost_emptied_repeated_and_swapped_files_are_refused_or_cost_nothing(bool isClosed)
    {
        DamagedLog log = await MixedAsync(isClosed);
        foreach (string name in log.Files.Keys)
        {
            await log.ReadAsync(log.Without(name), log.Count, $"{name} lost");
            await log.ReadAsync(log.With(name, []), log.Count, $"{name} emptied");
            foreach (string other in log.Files.Keys.Where(other => other != name))
            {
                await log.ReadAsync(log.With(name, log.Files[other]), log.Count, $"{name} replaced by {other}");
                Dictionary<string, byte[]> swapped = log.With(name, log.Files[other]);
                swapped[other] = log.Files[name];
                await log.ReadAsync(swapped, log.Count, $"{name} and {other} swapped");
            }
        }
    }

    /// <summary>
    /// In a log that flushes only when asked, everything since is one flush, longer than a buffer's worth and several segments wide. Damage before the
    /// mark is refused; damage behind it costs what follows at most.
    /// </summary>
    [Fact]
    public async Task A_crashed_log_of_relaxed_durability_keeps_what_lies_before_the_damage_or_refuses()
    {
        const int Flushed = 11;
        IEnumerable<byte[]> records = Enumerable.Range(0, 32).Select(i => DamagedLog.Record(i, i * 131 % 700));
        DamagedLog log = await DamagedLog.MakeAsync(isClosed: false, records, LogDurability.Buffered, Flushed);
        int offset = 0, opened = 0, refused = 0;
        foreach (string name in log.Segments)
        {
            byte[] bytes = log.Files[name];
            List<long> ends = log.EndsIn(name);
            for (int at = 80; at < bytes.Length; at += 13)
            {
                int before = offset + ends.Count(end => end <= at);
                byte[] changed = [.. bytes];
                changed[at] ^= 0x10;
                int left = await log.ReadAsync(log.With(name, changed), before, $"byte {at} of {name} changed");
                bool isFlushed = before < Flushed && at < ends[^1];
                Assert.True(!isFlushed || left < 0, $"byte {at} of {name} was flushed, and its damage was taken for a crash");
                if (left < 0) refused++;
                else opened++;
            }

            offset += ends.Count;
        }

        Assert.True(opened > 20 && refused > 100, $"{opened} opened, {refused} refused");
    }

    /// <summary>Empty, small and larger records over several segments.</summary>
    private static Task<DamagedLog> MixedAsync(bool isClosed) =>
        DamagedLog.MakeAsync(isClosed, Enumerable.Range(0, 22).Select(i => DamagedLog.Record(i, i % 7 == 0 ? 0 : 20 + (i * 137 % 500))));

    private static byte[] Overwritten(byte[] bytes, int at, ReadOnlySpan<byte> with)
    {
        byte[] damaged = [.. bytes];
        with.CopyTo(damaged.AsSpan(at));
        return damaged;
    }
}
