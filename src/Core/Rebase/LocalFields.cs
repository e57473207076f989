using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.Rebase;

/// <summary>A copy on its way: where it stands, up to which row it goes, and the sum over the rows it has.</summary>
internal sealed record CopyDownload(SyncPosition? Position, byte[] Bound, StateHash Content, long RowsInAll)
{
    internal static CopyDownload Start { get; } = new(null, [], default, 0);
}

/// <summary>What a local store's state holds besides its rows. Immutable, so that an entry that comes to nothing leaves all of it.</summary>
internal sealed record LocalFields
{
    private const int Fields = 16;

    /// <summary>The order of the keys; null before the store has begun.</summary>
    public KeyOrder? Order { get; init; }

    /// <summary>Whose mutations the timeline holds.</summary>
    public Guid Client { get; init; }

    /// <summary>Whether mutations may have been pushed under this client's id.</summary>
    public bool IsPushed { get; init; }

    /// <summary>Which set of tables the base is in.</summary>
    public byte Tables { get; init; }

    /// <summary>Where the base stands; null before the first copy was whole.</summary>
    public SyncPosition? Position { get; init; }

    /// <summary>When the entry at the position was written.</summary>
    public HybridTimestamp Timestamp { get; init; }

    /// <summary>The sum over the rows of the base.</summary>
    public StateHash Content { get; init; }

    /// <summary>The copy that is to take the base's place; null where the base goes on.</summary>
    public CopyDownload? Download { get; init; } = CopyDownload.Start;

    /// <summary>The first mutation of the timeline; all before it are decided.</summary>
    public long First { get; init; } = 1;

    /// <summary>The number that the next mutation gets.</summary>
    public long Next { get; init; } = 1;

    /// <summary>The link before the first mutation.</summary>
    public TimelineLink Before { get; init; }

    /// <summary>The link behind the last mutation.</summary>
    public TimelineLink Last { get; init; }

    /// <summary>How many copies became whole since one differed from the server's; null where none did.</summary>
    public int? DownloadsSinceDivergence { get; init; }

    /// <summary>Whether copies differed too often: nothing is asked of the server any more.</summary>
    public bool IsEnded { get; init; }

    public LocalStoreQuestion Question { get; init; }

    /// <summary>How many rejections are kept.</summary>
    public int Rejections { get; init; }

    /// <summary>The other set of tables.</summary>
    internal byte OtherTables => (byte)(Tables ^ LocalRows.OtherTables);

    /// <summary>How many mutations are not known to be decided.</summary>
    internal long Pending => Next - First;

    internal byte[] ToBytes()
    {
        var output = new ArrayBufferWriter<byte>(192);
        var writer = new MessagePackWriter(output);
        Write(ref writer);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    internal void Write(scoped ref MessagePackWriter writer)
    {
        writer.WriteArrayHeader(Fields);
        if (Order is null) writer.WriteNil();
        else writer.Write((long)Order.Number);
        CommandWriter.WriteId(ref writer, Client);
        writer.Write(IsPushed);
        writer.Write((long)Tables);
        SyncCodec.WritePosition(ref writer, Position);
        writer.Write(Timestamp.Value);
        Content.WriteArray(ref writer);
        if (Download is null)
        {
            writer.WriteNil();
        }
        else
        {
            writer.WriteArrayHeader(4);
            SyncCodec.WritePosition(ref writer, Download.Position);
            writer.Write(Download.Bound.AsSpan());
            Download.Content.WriteArray(ref writer);
            writer.Write(Download.RowsInAll);
        }

        writer.Write(First);
        writer.Write(Next);
        SyncCodec.WriteLink(ref writer, Before);
        SyncCodec.WriteLink(ref writer, Last);
        if (DownloadsSinceDivergence is { } downloads) writer.Write((long)downloads);
        else writer.WriteNil();
        writer.Write(IsEnded);
        writer.Write((long)Question);
        writer.Write((long)Rejections);
    }

    /// <exception cref="MalformedDataException">These are no such fields.</exception>
    internal static LocalFields Read(scoped ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(Fields, ref reader);
        KeyOrder? order = null;
        if (!reader.TryReadNil() && !KeyOrder.TryGet(reader.ReadByte(), out order)) throw new MalformedDataException(reader.Consumed, "there is no such key order");
        var fields = new LocalFields
        {
            Order = order,
            Client = CommandParts.ReadGuid(ref reader),
            IsPushed = reader.ReadBoolean(),
            Tables = reader.ReadByte(),
            Position = SyncCodec.ReadPosition(ref reader),
            Timestamp = new HybridTimestamp(reader.ReadUInt64()),
            Content = StateHash.ReadArray(ref reader),
            Download = reader.TryReadNil() ? null : ReadDownload(ref reader),
            First = reader.ReadInt64(),
            Next = reader.ReadInt64(),
            Before = SyncCodec.ReadLink(ref reader),
            Last = SyncCodec.ReadLink(ref reader),
            DownloadsSinceDivergence = reader.TryReadNil() ? null : reader.ReadInt32(),
            IsEnded = reader.ReadBoolean(),
            Question = (LocalStoreQuestion)reader.ReadInt32(),
            Rejections = reader.ReadInt32(),
        };
        bool isSound = fields.Tables is 0 or LocalRows.OtherTables && fields.First >= 1 && fields.Next >= fields.First && fields.Question is >= LocalStoreQuestion.None and <= LocalStoreQuestion.ClientUnknown;
        return isSound ? fields : throw new MalformedDataException(reader.Consumed, "the fields of a local store contradict each other");
    }

    private static CopyDownload ReadDownload(scoped ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(4, ref reader);
        SyncPosition? position = SyncCodec.ReadPosition(ref reader);
        return new CopyDownload(position, reader.ReadBytes().ToArray(), StateHash.ReadArray(ref reader), reader.ReadInt64());
    }
}
