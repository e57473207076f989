using System.Buffers;

namespace Quickstart;

/// <summary>Streams the records of a file: its lines, or for CSV its rows, which may hold line breaks in quotes. Blank lines are left out.</summary>
internal sealed class RecordReader(string path) : IDisposable
{
    private readonly FileStream _file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
    private readonly bool _isCsv = path.EndsWith(".csv", StringComparison.OrdinalIgnoreCase);
    private readonly bool _hasComments = path.EndsWith(".tab", StringComparison.Ordinal);
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
    private int _start, _end;
    private bool _isAtEnd;

    public long Length => _file.Length;

    public long BytesRead { get; private set; }

    /// <summary>The next record without its line break, valid until the next call; false at the end of the file.</summary>
    public bool TryRead(out ReadOnlyMemory<byte> record)
    {
        while (TryReadLine(out record))
        {
            if (record.IsEmpty || (_hasComments && record.Span[0] == '#')) continue;
            return true;
        }

        return false;
    }

    public void Dispose()
    {
        _file.Dispose();
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }

    private bool TryReadLine(out ReadOnlyMemory<byte> line)
    {
        for (int searched = _start; ;)
        {
            int at = FindEnd(searched);
            if (at >= 0 || _isAtEnd)
            {
                int end = at >= 0 ? at : _end;
                line = Trim(_buffer.AsMemory(_start, end - _start));
                bool found = at >= 0 || end > _start;
                _start = at >= 0 ? at + 1 : _end;
                return found;
            }

            int kept = _end - _start;
            Fill();
            searched = _isCsv ? _start : _start + kept;   // An open quote decides what a line break means, so CSV looks from the row's start.
        }
    }

    private int FindEnd(int from)
    {
        if (!_isCsv)
        {
            int at = _buffer.AsSpan(from, _end - from).IndexOf((byte)'\n');
            return at < 0 ? -1 : from + at;
        }

        bool isQuoted = false;
        for (int i = _start; i < _end; i++)
        {
            if (_buffer[i] == '"') isQuoted = !isQuoted;
            else if (_buffer[i] == '\n' && !isQuoted) return i;
        }

        return -1;
    }

    private void Fill()
    {
        int kept = _end - _start;
        byte[] target = kept == _buffer.Length ? ArrayPool<byte>.Shared.Rent(_buffer.Length * 2) : _buffer;
        _buffer.AsSpan(_start, kept).CopyTo(target);
        if (target != _buffer) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = target;
        int read = _file.Read(_buffer.AsSpan(kept));
        (_start, _end) = (0, kept + read);
        BytesRead += read;
        _isAtEnd = read == 0;
    }

    private static ReadOnlyMemory<byte> Trim(ReadOnlyMemory<byte> line) => line.Length > 0 && line.Span[^1] == '\r' ? line[..^1] : line;
}
