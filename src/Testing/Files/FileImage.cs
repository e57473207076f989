using Tidemark.Storage.Files;

namespace Tidemark.Testing.Files;

/// <summary>A change to a file's bytes or length that no flush has saved yet.</summary>
/// <param name="sequence">Its place among the unsynced changes of the whole disk.</param>
/// <param name="position">Where the bytes start; the new length where there are none.</param>
/// <param name="bytes">The bytes written, or null where the length was set.</param>
internal sealed class UnsyncedChange(long sequence, long position, byte[]? bytes)
{
    public long Sequence => sequence;

    public long Position => position;

    public byte[]? Bytes => bytes;

    public void ApplyTo(PagedBytes target)
    {
        if (bytes is null) target.SetLength(position);
        else target.Write(position, bytes);
    }
}

/// <summary>One file on the faulty disk, twice: as programs see it and as stable storage holds it.</summary>
internal sealed class FileImage
{
    private readonly PagedBytes _visible;
    private readonly PagedBytes _durable;
    private readonly List<UnsyncedChange> _unsynced;

    public FileImage()
        : this(new PagedBytes(), new PagedBytes(), [])
    {
    }

    private FileImage(PagedBytes visible, PagedBytes durable, List<UnsyncedChange> unsynced)
    {
        _visible = visible;
        _durable = durable;
        _unsynced = unsynced;
    }

    public long Length => _visible.Length;

    /// <summary>In the order they were made.</summary>
    public IReadOnlyList<UnsyncedChange> Unsynced => _unsynced;

    public int Read(long position, Span<byte> buffer) => _visible.Read(position, buffer);

    public void Change(UnsyncedChange change)
    {
        change.ApplyTo(_visible);
        _unsynced.Add(change);
    }

    /// <summary>Saves the oldest changes: all of them, or as many as a flush gets done before the machine stops.</summary>
    public void Flush(int count = int.MaxValue)
    {
        count = Math.Min(count, _unsynced.Count);
        for (int i = 0; i < count; i++) _unsynced[i].ApplyTo(_durable);
        _unsynced.RemoveRange(0, count);
    }

    /// <summary>Takes all changes for saved though none is: they stay visible and never become durable.</summary>
    public int LoseUnsynced()
    {
        int lost = _unsynced.Count;
        _unsynced.Clear();
        return lost;
    }

    public void FlipBit(long position, int bit)
    {
        foreach (PagedBytes bytes in (ReadOnlySpan<PagedBytes>)[_visible, _durable])
        {
            Span<byte> one = [0];
            if (bytes.Read(position, one) == 0) continue;
            one[0] ^= (byte)(1 << bit);
            bytes.Write(position, one);
        }
    }

    /// <summary>The same file, unsynced changes included.</summary>
    public FileImage Copy() => new(_visible.Copy(), _durable.Copy(), [.. _unsynced]);

    /// <summary>A copy of what is durable, to put the survivors of a power cut on top.</summary>
    public PagedBytes CopyDurable() => _durable.Copy();

    /// <summary>A file that holds exactly these bytes, all of them durable.</summary>
    public static FileImage Settled(PagedBytes bytes) => new(bytes.Copy(), bytes, []);
}
