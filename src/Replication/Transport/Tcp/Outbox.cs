using System.Buffers;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>What became of a frame that was to be sent.</summary>
internal enum SendResult
{
    Taken,
    Full,
    Closed,
}

/// <summary>What waits to be sent on one connection, and the sending of it.</summary>
/// <remarks>
/// Safe for concurrent calls. Whoever finds nobody writing becomes the writer, and writes on its own thread as long as the connection takes it at once; only the rest is written on another. What
/// comes meanwhile waits, and goes out together. Two buffers take turns: one is filled while the other is written.
/// </remarks>
internal sealed class Outbox(Stream stream, int maxBytes, Action<Exception> failed)
{
    // A slice that is taken is a sign of life, however long the whole is.
    private const int SliceBytes = 256 * 1024;

    // Buffers may grow to MaxOutboxBytes. Those of a busy connection are kept up to the first of these, those of an idle one up to the second.
    private const int BusyBytes = 1024 * 1024;
    private const int IdleBytes = 64 * 1024;

    // A thread that came with one message does not write those of all others for ever.
    private const int MaxRounds = 32;

    private readonly Lock _gate = new();
    private byte[] _filling = [];
    private int _filled;
    private byte[] _writing = [];
    private int _writeAt;
    private int _writeEnd;
    private bool _isWriting;
    private bool _isClosed;
    private int _slices;

    /// <summary>Rises with each slice that was taken.</summary>
    internal int Slices => Volatile.Read(ref _slices);

    internal bool IsWriting => Volatile.Read(ref _isWriting);

    /// <summary>Sends a frame, or leaves it to who is writing. The payload is copied.</summary>
    internal SendResult TrySend(FrameKind kind, ReadOnlySpan<byte> payload)
    {
        uint checksum = Frame.Checksum(kind, payload);
        int length = Frame.LengthOf(payload.Length);
        lock (_gate)
        {
            if (_isClosed) return SendResult.Closed;
            if (length > maxBytes - _filled - (_writeEnd - _writeAt)) return SendResult.Full;
            if (_filling.Length - _filled < length) Grow(_filled + length);
            Frame.Write(_filling.AsSpan(_filled), kind, payload, checksum);
            _filled += length;
            if (_isWriting) return SendResult.Taken;
            _isWriting = true;
        }

        Write();
        return SendResult.Taken;
    }

    /// <summary>Takes nothing more. What is being written ends with the connection.</summary>
    internal void Close()
    {
        lock (_gate) _isClosed = true;
    }

    private void Write()
    {
        try
        {
            for (int round = 0; Next() is { IsEmpty: false } slice; round++)
            {
                if (round == MaxRounds)
                {
                    _ = WriteOnAsync(ElsewhereAsync(slice), slice.Length);
                    return;
                }

                ValueTask write = stream.WriteAsync(slice);
                if (!write.IsCompleted)
                {
                    _ = WriteOnAsync(write, slice.Length);
                    return;
                }

                write.GetAwaiter().GetResult();
                Written(slice.Length);
            }
        }
        catch (Exception e)
        {
            failed(e);
        }
    }

    /// <summary>Writes on a thread of the pool. A method of its own, since a closure in the loop would be made at each message.</summary>
    private ValueTask ElsewhereAsync(ReadOnlyMemory<byte> slice) => new(Task.Run(async () => await stream.WriteAsync(slice).ConfigureAwait(false)));

    private async Task WriteOnAsync(ValueTask write, int bytes)
    {
        try
        {
            await write.ConfigureAwait(false);
            Written(bytes);
            while (Next() is { IsEmpty: false } slice)
            {
                await stream.WriteAsync(slice).ConfigureAwait(false);
                Written(slice.Length);
            }
        }
        catch (Exception e)
        {
            failed(e);
        }
    }

    /// <summary>What to write now; empty where nothing waits, and then nobody writes any more.</summary>
    private ReadOnlyMemory<byte> Next()
    {
        lock (_gate)
        {
            if (_writeAt == _writeEnd)
            {
                (_filling, _writing) = (_writing, _filling);
                (_writeAt, _writeEnd, _filled) = (0, _filled, 0);
                int kept = _writeEnd > 0 ? BusyBytes : IdleBytes;
                if (_filling.Length > kept) Return(ref _filling);
            }

            if (_writeEnd > 0) return _writing.AsMemory(_writeAt, Math.Min(SliceBytes, _writeEnd - _writeAt));
            if (_writing.Length > IdleBytes) Return(ref _writing);
            _isWriting = false;
            return default;
        }
    }

    private void Written(int bytes)
    {
        TransportMetrics.Sent(bytes);
        lock (_gate)
        {
            _writeAt += bytes;
            _slices++;
        }
    }

    private void Grow(int bytes)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(bytes, (int)Math.Min(2L * _filling.Length, Array.MaxLength)));
        _filling.AsSpan(0, _filled).CopyTo(larger);
        if (_filling.Length > 0) ArrayPool<byte>.Shared.Return(_filling);
        _filling = larger;
    }

    private static void Return(ref byte[] buffer)
    {
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
    }
}
