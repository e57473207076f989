using System.Diagnostics;

namespace Tidemark.Storage.Files;

/// <summary>A file's bytes in memory: pages made at their first write, shared between copies until one of them writes.</summary>
/// <remarks>Not thread-safe. A copy costs one pointer a page; a length that was only set costs nothing.</remarks>
internal sealed class PagedBytes
{
    public const int PageBytes = 16 * 1024;

    private Page?[] _pages = [];
    private object _owner = new();   // Pages of another owner are shared and may not be written in place.

    public long Length { get; private set; }

    public int Read(long position, Span<byte> buffer)
    {
        int count = (int)Math.Clamp(Length - position, 0, buffer.Length);
        buffer = buffer[..count];
        while (buffer.Length > 0)
        {
            long index = position / PageBytes;
            int start = (int)(position % PageBytes);
            int part = Math.Min(buffer.Length, PageBytes - start);
            if (index < _pages.Length && _pages[index] is { } page) page.Bytes.AsSpan(start, part).CopyTo(buffer);
            else buffer[..part].Clear();
            buffer = buffer[part..];
            position += part;
        }
        return count;
    }

    public void Write(long position, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return;
        Length = Math.Max(Length, checked(position + bytes.Length));
        while (bytes.Length > 0)
        {
            int start = (int)(position % PageBytes);
            int part = Math.Min(bytes.Length, PageBytes - start);
            bytes[..part].CopyTo(WritablePage(position / PageBytes).AsSpan(start));
            bytes = bytes[part..];
            position += part;
        }
    }

    public void SetLength(long length)
    {
        if (length < Length)
        {
            // What is cut off must read as zero if the file grows again.
            int firstWholePage = (int)Math.Min(_pages.Length, (length + PageBytes - 1) / PageBytes);
            Array.Clear(_pages, firstWholePage, _pages.Length - firstWholePage);
            long last = length / PageBytes;
            int rest = (int)(length % PageBytes);
            if (rest > 0 && last < _pages.Length && _pages[last] is not null) WritablePage(last).AsSpan(rest).Clear();
        }
        Length = length;
    }

    /// <summary>An equal file. Both go on alone: neither sees what the other writes from here on.</summary>
    public PagedBytes Copy()
    {
        _owner = new object();
        return new PagedBytes { _pages = (Page?[])_pages.Clone(), Length = Length };
    }

    private byte[] WritablePage(long index)
    {
        if (index >= _pages.Length) Array.Resize(ref _pages, checked((int)Math.Max(index + 1, _pages.Length * 2L)));
        Page? page = _pages[index];
        if (page is null) page = new Page(_owner, new byte[PageBytes]);
        else if (page.Owner != _owner) page = new Page(_owner, (byte[])page.Bytes.Clone());
        Debug.Assert(page.Owner == _owner, "a page is written by its owner alone");
        _pages[index] = page;
        return page.Bytes;
    }

    private sealed class Page(object owner, byte[] bytes)
    {
        public object Owner => owner;

        public byte[] Bytes => bytes;
    }
}
