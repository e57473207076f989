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
}
