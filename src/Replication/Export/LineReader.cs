namespace Tidemark.Replication.Export;

/// <summary>Reads a stream line by line, into one buffer that grows to the longest line.</summary>
internal sealed class LineReader(Stream input)
{
    private byte[] _buffer = new byte[64 * 1024];
    private int _start;      // Of what was read and not given out.
    private int _end;
    private int _searched;   // Up to here there is no line feed.

    /// <summary>Lines given out so far: the number of the last one, counted from 1.</summary>
    internal long Line { get; private set; }

    /// <summary>Where in the stream the last line began.</summary>
    internal long Position { get; private set; }

    /// <summary>The bytes of all lines given out so far.</summary>
    internal long Consumed { get; private set; }

    /// <summary>The next line without its line feed, valid until the next call; null at the end.</summary>
    /// <exception cref="MalformedDataException">It is too long, or the stream ends within it.</exception>
    internal async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellation)
    {
        while (true)
        {
            int found = _buffer.AsSpan(_searched, _end - _searched).IndexOf((byte)'\n');
            if (found >= 0) return Take(_searched + found);
            _searched = _end;
            if (_end - _start > ExportFormat.MaxLineBytes) throw Malformed($"it is longer than {ExportFormat.MaxLineBytes} bytes");
            MakeRoom();
            int read = await input.ReadAsync(_buffer.AsMemory(_end), cancellation).ConfigureAwait(false);
            if (read == 0) return _end == _start ? null : throw Malformed("the file ends within it");
            _end += read;
        }
    }

    private ReadOnlyMemory<byte> Take(int lineFeed)
    {
        ReadOnlyMemory<byte> line = _buffer.AsMemory(_start, lineFeed - _start);
        Line++;
        Position = Consumed;
        Consumed += line.Length + 1;
        _start = _searched = lineFeed + 1;
        return line;
    }

    private void MakeRoom()
    {
        if (_end < _buffer.Length) return;
        byte[] target = _end - _start > _buffer.Length / 2 ? new byte[_buffer.Length * 2] : _buffer;
        _buffer.AsSpan(_start, _end - _start).CopyTo(target);
        _buffer = target;
        _end -= _start;
        _searched -= _start;
        _start = 0;
    }

    private MalformedDataException Malformed(string fault) => new(Consumed, $"line {Line + 1}: {fault}");
}
