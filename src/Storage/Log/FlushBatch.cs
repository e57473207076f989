using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Tidemark.Storage.Log;

/// <summary>A run of encoded bytes for one segment.</summary>
/// <param name="Segment">Where they go.</param>
/// <param name="Position">Where in its file.</param>
/// <param name="Start">Where they start in the batch's buffer.</param>
/// <param name="Length">How many they are.</param>
/// <param name="Creates">They start with the segment's header: the file becomes a segment with them.</param>
/// <param name="Seals">They end with the segment's seal.</param>
internal readonly record struct FlushPart(Segment Segment, long Position, int Start, int Length, bool Creates, bool Seals);

/// <summary>Encoded frames that wait for, or are in, one write. A busy log has two: one fills while the other is written. An idle log has none.</summary>
internal sealed class FlushBatch
{
    private const int SmallestBuffer = 4 * 1024;
    private const int LargestKept = 1024 * 1024;

    private readonly List<FlushPart> _parts = [];
    private byte[] _buffer = [];   // Large ones are rented: a busy log needs one each round, and new ones would be zeroed, and collected, each time.

    internal int Length { get; private set; }

    internal bool IsEmpty => Length == 0;

    internal ReadOnlySpan<FlushPart> Parts => CollectionsMarshal.AsSpan(_parts);

    /// <summary>Where the log ends once this batch is written.</summary>
    internal LogPoint End { get; set; }

    internal ReadOnlySpan<byte> Bytes(in FlushPart part) => _buffer.AsSpan(part.Start, part.Length);

    /// <summary>Room for bytes that follow, in the segment's file, the ones reserved last.</summary>
    internal Span<byte> Reserve(Segment segment, long position, int bytes, bool creates = false, bool seals = false)
    {
        if (_buffer.Length - Length < bytes) Grow(bytes);
        if (!creates && _parts.Count > 0 && _parts[^1].Segment == segment)
        {
            FlushPart last = _parts[^1];
            Debug.Assert(last.Position + last.Length == position, "frames of one segment are encoded without gaps");
            _parts[^1] = last with { Length = last.Length + bytes, Seals = seals };
        }
        else
        {
            _parts.Add(new FlushPart(segment, position, Length, bytes, creates, seals));
        }

        Length += bytes;
        return _buffer.AsSpan(Length - bytes, bytes);
    }

    /// <summary>Forgets the content, and a buffer that had to be large.</summary>
    internal void Clear()
    {
        _parts.Clear();
        Length = 0;
        if (_buffer.Length > LargestKept) Replace([]);
    }

    private void Grow(int bytes)
    {
        int size = Math.Max(SmallestBuffer, Math.Max(_buffer.Length * 2, Length + bytes));
        byte[] larger = size > LargestKept ? ArrayPool<byte>.Shared.Rent(size) : new byte[size];
        _buffer.AsSpan(0, Length).CopyTo(larger);
        Replace(larger);
    }

    private void Replace(byte[] buffer)
    {
        if (_buffer.Length > LargestKept) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = buffer;
    }
}

/// <summary>The batches that the logs of a group take turns with, so that buffers are not multiplied by logs.</summary>
internal sealed class FlushBatches(int mostResting)
{
    private readonly Lock _gate = new();
    private readonly Stack<FlushBatch> _resting = new();

    internal FlushBatch Rent()
    {
        lock (_gate) return _resting.TryPop(out FlushBatch? batch) ? batch : new FlushBatch();
    }

    internal void Return(FlushBatch batch)
    {
        batch.Clear();
        lock (_gate)
        {
            if (_resting.Count < mostResting) _resting.Push(batch);
        }
    }
}
