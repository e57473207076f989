using FsCheck;
using FsCheck.Fluent;
using Tidemark.Storage.Snapshots;

using static Tidemark.Tests.SnapshotHarness;

namespace Tidemark.Tests.Properties;

public sealed class SnapshotProperties
{
    // Lengths around the writer's buffer as well as short ones.
    private static readonly Gen<byte[]> Piece =
        from length in Gen.OneOf(Gen.Choose(0, 40), Gen.Choose(262_000, 262_300), Gen.Choose(0, 90_000))
        from seed in Gen.Choose(0, int.MaxValue)
        select Content(length, seed);

    [Fact]
    public void Any_pieces_come_back_as_they_were_and_the_length_and_digest_are_those_of_the_file() =>
        Prop.ForAll(Piece.ArrayOf().ToArbitrary(), Gen.Choose(-1, int.MaxValue).ToArbitrary(), (pieces, offset) =>
        {
            var disk = new MemoryFileSystem();
            SnapshotInfo info = Write(disk, new PieceSnapshot(offset, pieces));
            using SnapshotReader reader = SnapshotReader.Open(disk, PathOf(offset + 1L), Identity);
            Assert.Equal(info, reader.Info);
            AssertSamePieces(pieces, reader);
            byte[] file = ReadFile(disk, PathOf(offset + 1L));
            Assert.Equal(file.Length, info.FileBytes);
            Assert.Equal(ContentId.Compute(file.AsSpan(0, file.Length - 44)), info.Digest);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(Soak.Times(40)));

    private static byte[] Content(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
