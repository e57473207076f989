using System.Buffers.Binary;
using Tidemark.Storage.Snapshots;
using Tidemark.Testing;

using static Tidemark.Tests.SnapshotHarness;

namespace Tidemark.Tests.Unit;

/// <summary>One snapshot file: what goes in comes out, a stranger's is refused, and a write that fails leaves nothing.</summary>
public sealed class SnapshotFileTests
{
    [Fact]
    public void What_was_written_is_read_with_its_position_hash_and_digest()
    {
        var disk = new MemoryFileSystem();
        PieceSnapshot state = new(41, [1, 2, 3], [], new byte[300_000], [4])
        {
            Position = new StatePosition(7, 41, new HybridTimestamp(99)),
            Hash = new StateHash(1, 2, 3),
        };
        SnapshotInfo written = Write(disk, state);
        using SnapshotReader reader = SnapshotReader.Open(disk, PathOf(42), Identity);
        reader.Verify();
        Assert.Equal(written, reader.Info);
        Assert.Equal((state.Position, state.Hash, 4L, 300_004L, 42L), (written.Position, written.Hash, written.Pieces, written.Bytes, written.NextOffset));
        AssertSamePieces(state.Pieces, reader);
        AssertSamePieces(state.Pieces, reader);
        Assert.Equal(written.FileBytes, ReadFile(disk, PathOf(42)).Length);
    }

    [Fact]
    public void The_state_before_the_first_entry_has_a_snapshot_of_number_0_and_may_have_no_pieces()
    {
        var disk = new MemoryFileSystem();
        Write(disk, new PieceSnapshot(-1) { Position = StatePosition.Start, Hash = default });
        Assert.Equal(["00000000000000000000.snapshot"], disk.ListFiles(Place));
        using SnapshotReader reader = SnapshotReader.Open(disk, PathOf(0), Identity);
        Assert.Equal((StatePosition.Start, 0L), (reader.Info.Position, reader.Info.NextOffset));
        Assert.Empty(reader.Pieces());
    }

    [Fact]
    public void The_same_state_gives_the_same_bytes_and_another_digest_at_another_position()
    {
        var disk = new MemoryFileSystem();
        SnapshotInfo first = Write(disk, StateAt(9));
        byte[] bytes = ReadFile(disk, PathOf(10));
        Assert.Equal(first, Write(disk, StateAt(9)));
        Assert.Equal(bytes, ReadFile(disk, PathOf(10)));
        Assert.NotEqual(first.Digest, Write(disk, new PieceSnapshot(10, StateAt(9).Pieces)).Digest);
    }

    [Fact]
    public void Another_store_shard_or_machine_is_refused_by_name()
    {
        var disk = new MemoryFileSystem();
        Write(disk, StateAt(9));
        foreach (SnapshotIdentity stranger in (SnapshotIdentity[])[Identity with { StoreId = Guid.Empty }, Identity with { ShardId = 6 }, Identity with { Machine = 2 }])
        {
            var refused = Assert.Throws<FormatMismatchException>(() => SnapshotReader.Open(disk, PathOf(10), stranger));
            Assert.Contains($"{stranger}", refused.Expected, StringComparison.Ordinal);
            Assert.Contains($"{Identity}", refused.Found, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_restore_may_take_another_stores_snapshot_but_not_another_shards()
    {
        var disk = new MemoryFileSystem();
        Write(disk, StateAt(9));
        SnapshotIdentity fresh = Identity with { StoreId = new Guid(1, 2, 3, new byte[8]) };
        using (SnapshotReader reader = SnapshotReader.Open(disk, PathOf(10), fresh, anyStore: true)) Assert.Equal(Identity, reader.Info.Identity);
        Assert.Throws<FormatMismatchException>(() => SnapshotReader.Open(disk, PathOf(10), fresh with { ShardId = 6 }, anyStore: true));
    }

    [Fact]
    public void A_piece_that_changed_places_with_one_of_the_same_length_is_found()
    {
        var disk = new MemoryFileSystem();
        Write(disk, new PieceSnapshot(9, [1, 1, 1, 1], [2, 2, 2, 2]));
        byte[] bytes = ReadFile(disk, PathOf(10));
        Span<byte> first = bytes.AsSpan(SnapshotHeader.Size, 12), second = bytes.AsSpan(SnapshotHeader.Size + 12, 12);
        byte[] kept = first.ToArray();
        second.CopyTo(first);
        kept.CopyTo(second);
        PutFile(disk, PathOf(10), bytes);
        using SnapshotReader reader = SnapshotReader.Open(disk, PathOf(10));
        var damage = Assert.Throws<CorruptDataException>(() => reader.Verify());
        Assert.Equal((PathOf(10), (long)SnapshotHeader.Size), (damage.File, damage.Position));
        Assert.Contains("piece 0", damage.Expected, StringComparison.Ordinal);
    }

    /// <summary>Every checksum fits, as after a forgery or a bug that writes the wrong piece well: only the digest knows, and only at the end.</summary>
    [Fact]
    public void A_wrong_digest_is_told_after_the_last_piece()
    {
        var disk = new MemoryFileSystem();
        Write(disk, new PieceSnapshot(9, [1, 1], [2, 2]));
        byte[] bytes = ReadFile(disk, PathOf(10));
        uint headerChecksum = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(SnapshotHeader.Size - 4));
        SnapshotPiece.WriteHeader(bytes.AsSpan(SnapshotHeader.Size), headerChecksum, 0, [1, 3]);
        bytes[SnapshotHeader.Size + SnapshotPiece.HeaderSize + 1] = 3;
        PutFile(disk, PathOf(10), bytes);
        using SnapshotReader reader = SnapshotReader.Open(disk, PathOf(10));
        int pieces = 0;
        var damage = Assert.Throws<CorruptDataException>(() =>
        {
            foreach (ReadOnlyMemory<byte> _ in reader.Pieces()) pieces++;
        });
        Assert.Equal(2, pieces);
        Assert.Contains("digest", damage.Expected, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SnapshotPiece.MaxBytes + 1u)]
    [InlineData(uint.MaxValue)]
    [InlineData(3u)]
    public void A_length_that_the_file_or_the_limit_does_not_allow_is_refused_before_room_is_made_for_it(uint length)
    {
        var disk = new MemoryFileSystem();
        Write(disk, new PieceSnapshot(9, [1, 1]));
        byte[] bytes = ReadFile(disk, PathOf(10));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(SnapshotHeader.Size), length);
        PutFile(disk, PathOf(10), bytes);
        using SnapshotReader reader = SnapshotReader.Open(disk, PathOf(10));
        long before = GC.GetAllocatedBytesForCurrentThread();
        var damage = Assert.Throws<CorruptDataException>(() => reader.Verify());
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
        Assert.Contains("at most 2 bytes", damage.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void A_piece_above_the_limit_is_refused_and_nothing_is_left()
    {
        var disk = new MemoryFileSystem();
        var refused = Assert.Throws<LimitExceededException>(() => Write(disk, new PieceSnapshot(9, [1], new byte[SnapshotPiece.MaxBytes + 1])));
        Assert.Equal(SnapshotPiece.MaxBytes, refused.Limit);
        Assert.Empty(disk.ListFiles(Place));
    }

    [Fact]
    public void A_position_that_cannot_be_is_neither_written_nor_read()
    {
        var disk = new MemoryFileSystem();
        foreach (StatePosition position in (StatePosition[])[new(-1, 0, default), new(0, -2, default), new(0, long.MaxValue, default)])
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => Write(disk, new PieceSnapshot(0) { Position = position }));
            byte[] bytes = new byte[SnapshotHeader.Size];
            new SnapshotHeader(Identity, position, default).Write(bytes);
            Assert.Throws<CorruptDataException>(() => SnapshotHeader.Read("x", bytes, out _));
        }
    }

    [Fact]
    public void A_full_disk_leaves_nothing_at_any_size_and_the_same_write_works_once_there_is_room()
    {
        PieceSnapshot State() => StateAt(9, pieces: 4, pieceBytes: 150_000);
        var disk = new FaultyFileSystem(1);
        long needed = Write(disk, State()).FileBytes;
        disk.Delete(PathOf(10));
        for (long room = 0; room < needed; room += 20_011)
        {
            disk.CapacityBytes = room;
            Assert.Throws<StoreFullException>(() => Write(disk, State()));
            Assert.Empty(disk.ListFiles(Place));
        }

        disk.CapacityBytes = needed;
        Assert.Equal(needed, Write(disk, State()).FileBytes);
    }

    [Fact]
    public void A_cancelled_write_leaves_nothing_and_stops_between_pieces()
    {
        var disk = new MemoryFileSystem();
        disk.CreateDirectory(Place);
        using var cancellation = new CancellationTokenSource();
        var seen = new List<SnapshotProgress>();
        Assert.Throws<OperationCanceledException>(() => SnapshotWriter.Write(
            disk, Place, Identity, StateAt(9), null,
            progress =>
            {
                seen.Add(progress);
                if (seen.Count == 2) cancellation.Cancel();
            },
            cancellation.Token));
        Assert.Equal([new SnapshotProgress(1, 700), new SnapshotProgress(2, 1401)], seen);
        Assert.Empty(disk.ListFiles(Place));
    }

    [Fact]
    public void A_check_tells_its_progress_and_can_be_cancelled()
    {
        var disk = new MemoryFileSystem();
        Write(disk, StateAt(9));
        using SnapshotReader reader = SnapshotReader.Open(disk, PathOf(10));
        using var cancellation = new CancellationTokenSource();
        var seen = new List<SnapshotProgress>();
        reader.Verify(seen.Add);
        Assert.Equal([new SnapshotProgress(1, 700), new SnapshotProgress(2, 1401), new SnapshotProgress(3, 2103)], seen);
        Assert.Throws<OperationCanceledException>(() => reader.Verify(_ => cancellation.Cancel(), cancellation.Token));
    }

    /// <summary>Two hundred pieces of 256 KiB pass through: were more than one held, it would show in what is allocated.</summary>
    [Fact]
    public void Neither_writing_nor_reading_holds_more_than_a_piece()
    {
        using var directory = new TestDirectory();
        byte[] piece = new byte[256 * 1024];
        SnapshotWriter.Write(DiskFileSystem.Instance, directory.Path, Identity, new PieceSnapshot(0, piece));   // Warm-up.
        var state = new PieceSnapshot(9, [.. Enumerable.Repeat(piece, 200)]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        SnapshotWriter.Write(DiskFileSystem.Instance, directory.Path, Identity, state);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 * piece.Length);

        using SnapshotReader reader = SnapshotReader.Open(DiskFileSystem.Instance, Path.Combine(directory.Path, SnapshotWriter.FileName(10)));
        before = GC.GetAllocatedBytesForCurrentThread();
        reader.Verify();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 * piece.Length);
    }
}
