using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Tidemark.Storage.Log;

/// <summary>A run of encoded bytes for one segment.</summary>
/// <param name="Segment">Where they go.</param>
/// <param name="Position">Where in its file.</param>
/// <param name="Buffer">The buffer that holds them.</param>
/// <param name="Start">Where they start in the buffer.</param>
/// <param name="Length">How many they are.</param>
/// <param name="Creates">They start with the segment's header: the file becomes a segment with them.</param>
/// <param name="Seals">They end with the segment's seal.</param>
internal readonly record struct FlushPart(Segment Segment, long Position, byte[] Buffer, int Start, int Length, bool Creates, bool Seals)
{
    internal ReadOnlySpan<byte> Bytes => Buffer.AsSpan(Start, Length);
}

/// <summary>Encoded frames that wait for, or are in, one round. A busy log has two: one fills while the other is written. An idle log has none.</summary>
/// <remarks>What was encoded never moves: where a buffer is full, the next one follows.</remarks>
internal sealed class FlushBatch
{
    private const int SmallestBuffer = 4 * 1024;
    private const int LargestKept = 1024 * 1024;

    private readonly List<FlushPart> _parts = [];
    private readonly List<byte[]> _full = [];   // Rented, as the one being filled: a busy log needs many each round, and new ones would be zeroed, and collected, each time.
    private byte[] _buffer = [];
    private int _used;   // Of the buffer being filled.

    internal int Length { get; private set; }

    internal bool IsEmpty => Length == 0;

    internal ReadOnlySpan<FlushPart> Parts => CollectionsMarshal.AsSpan(_parts);

    /// <summary>Where the log ends once this batch is written.</summary>
    internal LogPoint End { get; set; }

    /// <summary>Room for bytes that follow, in the segment's file, the ones reserved last.</summary>
    internal Span<byte> Reserve(Segment segment, long position, int bytes, bool creates = false, bool seals = false)
    {
        if (_buffer.Length - _used < bytes) NextBuffer(bytes);
        bool follows = !creates && _parts.Count > 0 && _parts[^1].Segment == segment;
        Debug.Assert(!follows || _parts[^1].Position + _parts[^1].Length == position, "frames of one segment are encoded without gaps");
        if (follows && _parts[^1].Buffer == _buffer)
            _parts[^1] = _parts[^1] with { Length = _parts[^1].Length + bytes, Seals = seals };
        else
            _parts.Add(new FlushPart(segment, position, _buffer, _used, bytes, creates, seals));

        Length += bytes;
        _used += bytes;
        return _buffer.AsSpan(_used - bytes, bytes);
    }

    /// <summary>Forgets the content, and all buffers but the last, which goes too where it had to be large.</summary>
    internal void Clear()
    {
        _parts.Clear();
        Length = _used = 0;
        if (_buffer.Length > LargestKept) NextBuffer(0);
        foreach (byte[] buffer in _full) ArrayPool<byte>.Shared.Return(buffer);
        _full.Clear();
    }

    private void NextBuffer(int bytes)
    {
        if (_buffer.Length > 0) _full.Add(_buffer);
        _buffer = bytes == 0 ? [] : ArrayPool<byte>.Shared.Rent(Math.Max(bytes, Math.Clamp(_buffer.Length * 2, SmallestBuffer, LargestKept)));
        _used = 0;
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
