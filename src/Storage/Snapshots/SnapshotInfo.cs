namespace Tidemark.Storage.Snapshots;

/// <summary>What a snapshot file is, without its pieces.</summary>
/// <param name="Identity">Whose state it is.</param>
/// <param name="Position">The entry that was applied last.</param>
/// <param name="Hash">The state machine's hash there.</param>
/// <param name="Pieces">How many pieces it has.</param>
/// <param name="Bytes">The bytes of all pieces together.</param>
/// <param name="Digest">The SHA-256 of the whole file but for its last 44 bytes.</param>
internal sealed record SnapshotInfo(SnapshotIdentity Identity, StatePosition Position, StateHash Hash, long Pieces, long Bytes, ContentId Digest)
{
    /// <summary>The offset of the first entry that is not in it: where a replay of the log goes on.</summary>
    public long NextOffset => Position.Offset + 1;

    /// <summary>The length of the file.</summary>
    public long FileBytes => SnapshotHeader.Size + (Pieces * SnapshotPiece.HeaderSize) + Bytes + SnapshotFooter.Size;
}

/// <summary>How far the writing or checking of a snapshot has come.</summary>
/// <param name="Pieces">The pieces done.</param>
/// <param name="Bytes">Their bytes.</param>
internal readonly record struct SnapshotProgress(long Pieces, long Bytes);
