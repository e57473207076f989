using System.Buffers;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>Received bytes until they are whole frames. Whoever reads from the connection fills it, and takes frames from it.</summary>
/// <remarks>
/// Not thread-safe. Its room grows only when it is full of bytes that came, so a length that is only claimed costs nothing: at any time it holds at most the larger of 4 KiB and twice what came.
/// A connection on which little comes keeps little.
/// </remarks>
internal sealed class FrameBuffer : IDisposable
{
    internal const int LeastBytes = 4 * 1024;

    private const int UsualBytes = 64 * 1024;   // As much as one read takes where much comes.

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(LeastBytes);
    private int _start;
    private int _end;

    /// <summary>How much room there is, for who counts.</summary>
    internal int Capacity => _buffer.Length;

    /// <summary>Room for more bytes; never empty. What was taken before is no longer good.</summary>
    internal Memory<byte> GetRoom()
    {
        bool wasFull = _end == _buffer.Length;
        if (_start == _end)
        {
            (_start, _end) = (0, 0);
            if (_buffer.Length > UsualBytes) Move(UsualBytes);
        }
        else if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }

        if (_end == _buffer.Length || (wasFull && _buffer.Length < UsualBytes)) Move(2 * _buffer.Length);
        return _buffer.AsMemory(_end);
    }

    /// <summary>That many bytes were put into the room.</summary>
    internal void Advance(int bytes) => _end += bytes;

    /// <summary>Takes the magic, if it is there.</summary>
    /// <returns>False where other bytes are; null where not enough have come.</returns>
    internal bool? TakeMagic()
    {
        ReadOnlySpan<byte> unread = _buffer.AsSpan(_start, _end - _start);
        int common = unread.CommonPrefixLength(Frame.Magic);
        if (common < Math.Min(unread.Length, Frame.Magic.Length)) return false;   // Known at the first byte that is wrong.
        if (common < Frame.Magic.Length) return null;
        _start += Frame.Magic.Length;
        return true;
    }

    /// <summary>Takes a frame, if a whole one is there. The payload is good until room is asked for.</summary>
    internal FrameStatus Take(int maxPayloadBytes, out FrameKind kind, out ReadOnlySpan<byte> payload)
    {
        FrameStatus status = Frame.Read(_buffer.AsSpan(_start, _end - _start), maxPayloadBytes, out kind, out payload, out int frameBytes);
        _start += frameBytes;
        return status;
    }

    public void Dispose()
    {
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        (_buffer, _start, _end) = ([], 0, 0);
    }

    private void Move(int bytes)
    {
        byte[] other = ArrayPool<byte>.Shared.Rent(bytes);
        _buffer.AsSpan(_start, _end - _start).CopyTo(other.AsSpan(_start));
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = other;
    }
}
