using Tidemark.Tests.Crash;

namespace Tidemark.Tests.Unit;

public sealed class FileClockBoundTests
{
    private const string FilePath = "/data/clock.bound";

    private static readonly Guid _store = new("00112233-4455-6677-8899-aabbccddeeff");
    private static readonly HybridTimestamp _bound = HybridTimestamp.Parse("2026-11-21T03:45:46.123456Z.0a3");

    private readonly ClockCrashDisk _disk = new();

    [Fact]
    public void A_new_clock_has_no_bound_and_no_file_until_one_is_persisted()
    {
        using FileClockBound bound = Open();
        Assert.Equal(HybridTimestamp.MinValue, bound.Load());
        Assert.False(_disk.FileExists(FilePath));
        bound.Persist(_bound);
        Assert.True(_disk.FileExists(FilePath));
        Assert.False(_disk.FileExists(FilePath + ".new"));
    }

    [Fact]
    public void The_bound_persisted_last_comes_back()
    {
        WriteFile(_bound, _bound.Next(), _bound.Next(2));
        using FileClockBound bound = Open();
        Assert.Equal(_bound.Next(2), bound.Load());
    }

    [Fact]
    public void The_file_of_another_store_is_refused_by_name()
    {
        WriteFile(_bound);
        var other = new Guid("ffffffff-4455-6677-8899-aabbccddeeff");
        FormatMismatchException refusal = Assert.Throws<FormatMismatchException>(() => new FileClockBound(_disk, FilePath, other));
        Assert.Equal(FilePath, refusal.File);
        Assert.Contains(_store.ToString(), refusal.Found);
    }

    [Fact]
    public void Two_holders_of_one_file_are_refused_and_a_failed_open_holds_nothing()
    {
        FileClockBound first = Open();
        Assert.Throws<DirectoryLockedException>(() => Open());
        first.Dispose();
        _disk[FilePath] = new byte[FileClockBound.FileLength];
        Assert.Throws<CorruptDataException>(() => Open());
        Assert.Throws<CorruptDataException>(() => Open());   // not: locked
    }

    [Fact]
    public void Any_flipped_bit_is_harmless()
    {
        WriteFile(_bound);
        byte[] whole = _disk[FilePath].ToArray();
        for (int bit = 0; bit < whole.Length * 8; bit++)
        {
            byte[] rotten = whole.ToArray();
            rotten[bit / 8] ^= (byte)(1 << (bit % 8));
            _disk[FilePath] = rotten;
            using FileClockBound bound = Open();
            Assert.Equal(_bound, bound.Load());
        }
    }

    [Fact]
    public void The_same_bit_flipped_in_both_slots_is_never_a_wrong_bound()
    {
        WriteFile(_bound);
        byte[] whole = _disk[FilePath].ToArray();
        for (int bit = 0; bit < FileClockBound.SlotLength * 8; bit++)
        {
            byte[] rotten = whole.ToArray();
            rotten[bit / 8] ^= (byte)(1 << (bit % 8));
            rotten[FileClockBound.SlotDistance + (bit / 8)] ^= (byte)(1 << (bit % 8));
            _disk[FilePath] = rotten;
            TidemarkException refusal = Assert.ThrowsAny<TidemarkException>(() => Open());
            bool otherFormat = bit / 8 < 10;   // magic and version
            Assert.Equal(otherFormat ? TidemarkErrorCode.FormatMismatch : TidemarkErrorCode.CorruptData, refusal.Code);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(44)]
    [InlineData(4096)]
    [InlineData(8191)]
    [InlineData(8193)]
    public void A_file_of_another_length_is_damaged(int length)
    {
        WriteFile(_bound);
        byte[] bytes = _disk[FilePath].ToArray();
        Array.Resize(ref bytes, length);
        _disk[FilePath] = bytes;
        CorruptDataException damage = Assert.Throws<CorruptDataException>(() => Open());
        Assert.Equal(FilePath, damage.File);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(8192)]
    [InlineData(100_000)]
    public void A_file_that_is_no_clock_bound_is_named_a_stranger(int length)
    {
        byte[] text = new byte[length];
        text.AsSpan().Fill((byte)'x');
        _disk[FilePath] = text;
        Assert.Throws<FormatMismatchException>(() => Open());
        Assert.Equal(text, _disk[FilePath]);
    }

    [Fact]
    public void A_file_of_zeros_is_damaged()
    {
        _disk[FilePath] = new byte[FileClockBound.FileLength];
        Assert.Throws<CorruptDataException>(() => Open());
    }

    [Fact]
    public void A_damaged_slot_is_the_first_to_be_rewritten()
    {
        foreach (int slot in (int[])[0, 1])
        {
            WriteFile(_bound);
            byte[] bytes = _disk[FilePath].ToArray();
            bytes[(slot * FileClockBound.SlotDistance) + 40] ^= 1;
            _disk[FilePath] = bytes;
            using (FileClockBound bound = Open())
            {
                _disk.FailFlush = new IOException("refused");   // only the first slot's write happens
                Assert.Throws<StoreFailedException>(() => bound.Persist(_bound.Next()));
            }
            using FileClockBound after = Open();
            Assert.Equal(_bound.Next(), after.Load());
            int other = (1 - slot) * FileClockBound.SlotDistance;
            Assert.Equal(bytes.AsSpan(other, FileClockBound.SlotLength), _disk[FilePath].AsSpan(other, FileClockBound.SlotLength));
            _disk.Delete(FilePath);
        }
    }

    [Fact]
    public void After_a_failed_flush_nothing_more_is_written_until_the_file_is_opened_again()
    {
        WriteFile(_bound);
        using FileClockBound bound = Open();
        _disk.FailFlush = new IOException("refused");
        StoreFailedException failure = Assert.Throws<StoreFailedException>(() => bound.Persist(_bound.Next()));
        Assert.IsType<IOException>(failure.InnerException);
        byte[] bytes = _disk[FilePath].ToArray();
        Assert.Throws<StoreFailedException>(() => bound.Persist(_bound.Next(2)));
        Assert.Equal(bytes, _disk[FilePath]);
    }

    [Fact]
    public void A_full_disk_refuses_a_bound_and_the_next_attempt_works()
    {
        using FileClockBound bound = Open();
        _disk.FailWrite = new StoreFullException("full");
        Assert.Throws<StoreFullException>(() => bound.Persist(_bound));
        bound.Persist(_bound);
        _disk.FailWrite = new StoreFullException("full");
        Assert.Throws<StoreFullException>(() => bound.Persist(_bound.Next()));
        bound.Persist(_bound.Next());
        bound.Dispose();
        using FileClockBound after = Open();
        Assert.Equal(_bound.Next(), after.Load());
    }

    [Fact]
    public void What_a_crash_left_while_creating_is_removed()
    {
        _disk[FilePath + ".new"] = [1, 2, 3];
        using FileClockBound bound = Open();
        Assert.Equal(HybridTimestamp.MinValue, bound.Load());
        Assert.False(_disk.FileExists(FilePath + ".new"));
    }

    private FileClockBound Open() => new(_disk, FilePath, _store);

    private void WriteFile(params HybridTimestamp[] bounds)
    {
        using FileClockBound bound = Open();
        foreach (HybridTimestamp each in bounds) bound.Persist(each);
    }
}
