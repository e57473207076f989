using Tidemark.Storage.Catalog;
using Tidemark.Storage.Snapshots;

using static Tidemark.Tests.SnapshotHarness;

namespace Tidemark.Tests.Crash;

/// <summary>Snapshot and catalog files with every bit turned over, cut at every length, and with something behind their end: never is one believed.</summary>
public sealed class WholeFileDamageTests
{
    private static readonly string _snapshot = PathOf(10);

    [Fact]
    public void Every_bit_that_turns_in_a_snapshot_is_found_and_the_file_named()
    {
        byte[] whole = SnapshotBytes();
        for (int at = 0; at < whole.Length; at++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                byte[] damaged = whole.ToArray();
                damaged[at] ^= (byte)(1 << bit);
                CorruptDataException damage = AssertSnapshotIsCorrupt(damaged, $"bit {bit} of byte {at}");
                Assert.InRange(damage.Position, 0, whole.Length);
            }
        }
    }

    [Fact]
    public void A_snapshot_cut_anywhere_or_longer_than_it_was_is_found()
    {
        byte[] whole = SnapshotBytes();
        for (int length = 0; length < whole.Length; length++) AssertSnapshotIsCorrupt(whole[..length], $"length {length}");
        for (int more = 1; more < 200; more++) AssertSnapshotIsCorrupt([.. whole, .. new byte[more]], $"{more} zeros more");
        AssertSnapshotIsCorrupt([.. whole, .. whole], "twice");
        AssertSnapshotIsCorrupt([.. whole, .. whole.AsSpan(whole.Length - SnapshotFooter.Size)], "two footers");
    }

    [Fact]
    public void A_snapshot_that_lost_a_piece_or_has_one_twice_is_found()
    {
        byte[] whole = SnapshotBytes();
        Range piece = SnapshotHeader.Size..(SnapshotHeader.Size + SnapshotPiece.HeaderSize + 3);
        AssertSnapshotIsCorrupt([.. whole[..piece.Start], .. whole[piece.End..]], "without its first piece");
        AssertSnapshotIsCorrupt([.. whole[..piece.End], .. whole[piece], .. whole[piece.End..]], "with its first piece twice");
    }

    [Fact]
    public void Every_bit_that_turns_in_a_catalog_is_found_and_so_is_every_other_length()
    {
        byte[] whole = CatalogFile.Encode(CatalogHarness.Example());
        for (int at = 0; at < whole.Length; at++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                byte[] damaged = whole.ToArray();
                damaged[at] ^= (byte)(1 << bit);
                AssertCatalogIsCorrupt(damaged, $"bit {bit} of byte {at}");
            }
        }

        for (int length = 0; length < whole.Length; length++) AssertCatalogIsCorrupt(whole[..length], $"length {length}");
        for (int more = 1; more < 100; more++) AssertCatalogIsCorrupt([.. whole, .. new byte[more]], $"{more} zeros more");
    }

    private static byte[] SnapshotBytes()
    {
        var disk = new MemoryFileSystem();
        Write(disk, new PieceSnapshot(9, [1, 2, 3], [], [4, 5, 6, 7, 8, 9, 10, 11, 12, 13], [0, 0, 0]));
        return ReadFile(disk, _snapshot);
    }

    private static CorruptDataException AssertSnapshotIsCorrupt(byte[] bytes, string what)
    {
        var disk = new MemoryFileSystem();
        disk.CreateDirectory(Place);
        PutFile(disk, _snapshot, bytes);
        Exception? found = Record.Exception(() =>
        {
            using SnapshotReader reader = SnapshotReader.Open(disk, _snapshot);
            reader.Verify();
        });
        if (found is not CorruptDataException damage) throw new Xunit.Sdk.XunitException($"{what}: {found?.ToString() ?? "not found"}");
        Assert.Equal(_snapshot, damage.File);
        return damage;
    }

    private static void AssertCatalogIsCorrupt(byte[] bytes, string what)
    {
        var disk = new MemoryFileSystem();
        disk.CreateDirectory(CatalogHarness.Place);
        PutFile(disk, CatalogHarness.FilePath, bytes);
        Exception? found = Record.Exception(() => CatalogFile.TryRead(disk, CatalogHarness.Place));
        Assert.True(found is CorruptDataException, $"{what}: {found?.ToString() ?? "not found"}");
    }
}
