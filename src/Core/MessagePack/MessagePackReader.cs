using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Tidemark.Core.MessagePack;

/// <summary>Reads MessagePack from a stranger. Member names are those of MessagePack-CSharp.</summary>
/// <remarks>
/// Every fault is a <see cref="MalformedDataException"/> that names the byte the faulty value begins at; the reader then stands where it stood.
/// Lengths and counts are checked against the bytes left and the limits before they are returned, so a caller may trust them with an
/// allocation. Allocates nothing but the strings it is asked for. Pass it by reference: a copy has its own place.
/// What is accepted and refused: docs/format/messagepack.md.
/// </remarks>
internal ref struct MessagePackReader
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly MessagePackLimits _limits;
    private int _at;

    /// <summary>Reads the bytes with the default limits.</summary>
    public MessagePackReader(ReadOnlySpan<byte> memory)
        : this(memory, MessagePackLimits.Default)
    {
    }

    /// <summary>Reads the bytes.</summary>
    public MessagePackReader(ReadOnlySpan<byte> memory, MessagePackLimits limits)
    {
        _bytes = memory;
        _limits = limits;
    }

    /// <summary>The bytes read.</summary>
    public readonly long Consumed => _at;

    /// <summary>Whether all bytes are read.</summary>
    public readonly bool End => _at == _bytes.Length;

    /// <summary>How many arrays and maps the caller has entered with <see cref="DepthStep"/>. Lower it on leaving one.</summary>
    public int Depth { get; set; }

    /// <summary>The first byte of the next value.</summary>
    public readonly byte NextCode
    {
        get
        {
            if (End) ThrowFault(_at, "the bytes end where a value should begin");
            return _bytes[_at];
        }
    }

    /// <summary>The kind of the next value.</summary>
    public readonly MessagePackType NextMessagePackType => MessagePackToken.TypeOf(NextCode);

    /// <summary>Enters an array or map. For readers of values nested as deeply as the writer likes; fixed shapes need none.</summary>
    public void DepthStep()
    {
        if (Depth >= _limits.MaxDepth) ThrowTooDeep(_at);
        Depth++;
    }

    /// <summary>Reads the end of the message.</summary>
    public readonly void ReadEnd()
    {
        if (!End) ThrowFault(_at, "bytes follow the end of the message");
    }

    public void ReadNil() => _at += Token(MessagePackType.Nil).Size;

    /// <summary>Reads nil where it is next.</summary>
    public bool TryReadNil()
    {
        bool isNil = NextCode == MessagePackCode.Nil;
        if (isNil) _at++;
        return isNil;
    }

    public bool ReadBoolean()
    {
        MessagePackToken token = Token(MessagePackType.Boolean);
        _at += token.Size;
        return token.Value != 0;
    }

    public sbyte ReadSByte() => (sbyte)ReadSigned(sbyte.MinValue, sbyte.MaxValue);

    public short ReadInt16() => (short)ReadSigned(short.MinValue, short.MaxValue);

    public int ReadInt32() => (int)ReadSigned(int.MinValue, int.MaxValue);

    public long ReadInt64() => ReadSigned(long.MinValue, long.MaxValue);

    public byte ReadByte() => (byte)ReadUnsigned(byte.MaxValue);

    public ushort ReadUInt16() => (ushort)ReadUnsigned(ushort.MaxValue);

    public uint ReadUInt32() => (uint)ReadUnsigned(uint.MaxValue);

    public ulong ReadUInt64() => ReadUnsigned(ulong.MaxValue);

    /// <summary>Reads a single. A double is refused: it may not fit.</summary>
    public float ReadSingle()
    {
        MessagePackToken token = Token(MessagePackType.Float);
        if (_bytes[_at] != MessagePackCode.Float32) ThrowFault(_at, "expected a single, found a double");
        _at += token.Size;
        return BitConverter.UInt32BitsToSingle((uint)token.Value);
    }

    /// <summary>Reads a double, or a single unless the reader is canonical.</summary>
    public double ReadDouble()
    {
        MessagePackToken token = Token(MessagePackType.Float);
        bool isSingle = _bytes[_at] == MessagePackCode.Float32;
        if (isSingle && _limits.RequireCanonical) ThrowFault(_at, "expected a double, found a single");
        _at += token.Size;
        return isSingle ? BitConverter.UInt32BitsToSingle((uint)token.Value) : BitConverter.UInt64BitsToDouble(token.Value);
    }

    /// <summary>Reads a time.</summary>
    /// <returns>UTC, exact.</returns>
    public DateTime ReadDateTime()
    {
        MessagePackToken token = Token(MessagePackType.Extension);
        if (token.ExtensionType != MessagePackCode.TimestampType) ThrowFault(_at, "expected a time, found another extension");
        if (!MessagePackTime.TryRead(Content(_at, token), _limits.RequireCanonical, out DateTime utc))
            ThrowFault(_at, "the time is malformed, outside the years 1 to 9999, or finer than 100 ns");
        _at += token.Size + (int)token.Value;
        return utc;
    }

    /// <summary>Reads text, or null for nil. Allocates the string.</summary>
    public string? ReadString() => TryReadStringSpan(out ReadOnlySpan<byte> utf8) ? Encoding.UTF8.GetString(utf8) : null;

    /// <summary>Reads text as the UTF-8 it is, without a copy.</summary>
    /// <param name="span">Valid UTF-8. Lives as long as the bytes the reader was given.</param>
    /// <returns>False for nil, which is read.</returns>
    public bool TryReadStringSpan(out ReadOnlySpan<byte> span)
    {
        span = default;
        if (TryReadNil()) return false;
        span = ReadContent(MessagePackType.String);
        return true;
    }

    /// <summary>Reads a binary, without a copy.</summary>
    /// <returns>Lives as long as the bytes the reader was given.</returns>
    public ReadOnlySpan<byte> ReadBytes() => ReadContent(MessagePackType.Binary);

    /// <summary>Reads the head of an array.</summary>
    /// <returns>The count of its elements: not above the limit, nor above the bytes left.</returns>
    public int ReadArrayHeader() => ReadCount(MessagePackType.Array);

    /// <summary>Reads the head of a map.</summary>
    /// <returns>The count of its pairs: not above the limit, nor above half of the bytes left.</returns>
    public int ReadMapHeader() => ReadCount(MessagePackType.Map);

    /// <summary>Reads the head of an extension. Its bytes are there, and are read with <see cref="ReadRaw(int)"/>.</summary>
    public ExtensionHeader ReadExtensionFormatHeader()
    {
        MessagePackToken token = Token(MessagePackType.Extension);
        int length = Content(_at, token).Length;
        _at += token.Size;
        return new ExtensionHeader(token.ExtensionType, (uint)length);
    }

    /// <summary>Reads that many bytes as they are: an extension's, after its head.</summary>
    public ReadOnlySpan<byte> ReadRaw(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (length > _bytes.Length - _at) ThrowTooFew(_at, (ulong)length, _bytes.Length - _at);
        ReadOnlySpan<byte> raw = _bytes.Slice(_at, length);
        _at += length;
        return raw;
    }

    /// <summary>Reads one whole value as the bytes it is, checked through and through.</summary>
    public ReadOnlySpan<byte> ReadRaw()
    {
        int start = _at;
        Skip();
        return _bytes[start.._at];
    }

    /// <summary>Passes over one whole value, checked as if it were read.</summary>
    public void Skip() => _at = EndOfValue(_at, Depth);

    private readonly int EndOfValue(int at, int depth)
    {
        MessagePackToken token = TokenAt(at);
        switch (token.Type)
        {
            case MessagePackType.String or MessagePackType.Binary or MessagePackType.Extension:
                return at + token.Size + Content(at, token).Length;
            case MessagePackType.Array or MessagePackType.Map:
                if (depth >= _limits.MaxDepth) ThrowTooDeep(at);
                long values = Count(at, token) * (token.Type == MessagePackType.Map ? 2L : 1L);
                int end = at + token.Size;
                for (; values > 0; values--) end = EndOfValue(end, depth + 1);   // As deep as the limit at most.
                return end;
            default:
                return at + token.Size;
        }
    }

    private long ReadSigned(long min, long max)
    {
        MessagePackToken token = Token(MessagePackType.Integer);
        bool fits = token.IsNegative ? (long)token.Value >= min : token.Value <= (ulong)max;
        if (!fits) ThrowOutOfRange(_at, token, min, (ulong)max);
        _at += token.Size;
        return (long)token.Value;
    }

    private ulong ReadUnsigned(ulong max)
    {
        MessagePackToken token = Token(MessagePackType.Integer);
        if (token.IsNegative || token.Value > max) ThrowOutOfRange(_at, token, 0, max);
        _at += token.Size;
        return token.Value;
    }

    private ReadOnlySpan<byte> ReadContent(MessagePackType type)
    {
        MessagePackToken token = Token(type);
        ReadOnlySpan<byte> content = Content(_at, token);
        _at += token.Size + content.Length;
        return content;
    }

    private int ReadCount(MessagePackType type)
    {
        MessagePackToken token = Token(type);
        int count = Count(_at, token);
        _at += token.Size;
        return count;
    }

    private readonly MessagePackToken Token(MessagePackType expected)
    {
        MessagePackToken token = TokenAt(_at);
        if (token.Type != expected) ThrowOtherKind(_at, expected, token.Type);
        return token;
    }

    private readonly MessagePackToken TokenAt(int at)
    {
        MessagePackToken token = MessagePackToken.Read(_bytes[at..]);
        if (token.Size == 0) ThrowFault(at, "the bytes end within a value or before it");
        if (token.Type == MessagePackType.Unknown) ThrowFault(at, "the code C1 is never used");
        if (_limits.RequireCanonical && !token.IsCanonical) ThrowFault(at, "a shorter form holds the same value");
        return token;
    }

    /// <summary>The bytes after a token that announced them.</summary>
    private readonly ReadOnlySpan<byte> Content(int at, MessagePackToken token)
    {
        ReadOnlySpan<byte> left = _bytes[(at + token.Size)..];
        if (token.Value > (ulong)left.Length) ThrowTooFew(at, token.Value, left.Length);
        ReadOnlySpan<byte> content = left[..(int)token.Value];
        if (token.Type == MessagePackType.String && !Utf8.IsValid(content)) ThrowFault(at, "the text is not valid UTF-8");
        return content;
    }

    /// <summary>The count an array or map announced, once the bytes left could hold it.</summary>
    private readonly int Count(int at, MessagePackToken token)
    {
        long left = _bytes.Length - at - token.Size;
        if (token.Type == MessagePackType.Map) left /= 2;
        if (token.Value > (ulong)Math.Min(left, _limits.MaxCollectionCount)) ThrowTooMany(at, token.Value, left, _limits.MaxCollectionCount);
        return (int)token.Value;
    }

    // Messages are built apart: in a method that can be fast they would cost it whether or not it refuses.
    [DoesNotReturn]
    private static void ThrowFault(int at, string message) => throw new MalformedDataException(at, message);

    [DoesNotReturn]
    private static void ThrowOtherKind(int at, MessagePackType expected, MessagePackType found)
        => throw new MalformedDataException(at, $"expected {expected}, found {found}");

    [DoesNotReturn]
    private static void ThrowOutOfRange(int at, MessagePackToken token, long min, ulong max)
    {
        string found = token.IsNegative ? ((long)token.Value).ToString(CultureInfo.InvariantCulture) : token.Value.ToString(CultureInfo.InvariantCulture);
        throw new MalformedDataException(at, $"expected an integer from {min} to {max}, found {found}");
    }

    [DoesNotReturn]
    private static void ThrowTooFew(int at, ulong announced, int left)
        => throw new MalformedDataException(at, $"{announced} bytes are announced, {left} are left");

    [DoesNotReturn]
    private static void ThrowTooMany(int at, ulong announced, long possible, int limit)
        => throw new MalformedDataException(at, $"{announced} entries are announced, the bytes left hold {possible} at most and the limit is {limit}");

    [DoesNotReturn]
    private readonly void ThrowTooDeep(int at) => throw new MalformedDataException(at, $"arrays and maps are nested deeper than {_limits.MaxDepth}");
}
