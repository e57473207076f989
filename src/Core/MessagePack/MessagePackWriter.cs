using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Code = Tidemark.Core.MessagePack.MessagePackCode;

namespace Tidemark.Core.MessagePack;

/// <summary>Writes MessagePack, each value in its shortest form. Member names are those of MessagePack-CSharp.</summary>
/// <remarks>
/// Nothing reaches the output for certain before <see cref="Flush"/>. Headers are promises: that as many values follow as an array or map
/// announced is the caller's business. Allocates nothing. Pass it by reference: a copy has its own place. Forms: docs/format/messagepack.md.
/// </remarks>
internal ref struct MessagePackWriter(IBufferWriter<byte> writer)
{
    private const int MaxHeaderSize = 9;   // A code and the longest number.

    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly IBufferWriter<byte> _output = writer;
    private Span<byte> _buffer;
    private int _buffered;

    /// <summary>Hands what was written to the output.</summary>
    public void Flush()
    {
        if (_buffered > 0) _output.Advance(_buffered);
        _buffered = 0;
        _buffer = default;
    }

    public void WriteNil() => WriteByte(Code.Nil);

    public void Write(bool value) => WriteByte(value ? Code.True : Code.False);

    public void Write(long value)
    {
        if (value >= 0)
        {
            Write((ulong)value);
            return;
        }

        Span<byte> target = Room(MaxHeaderSize);
        switch (value)
        {
            case >= Code.MinFixIntValue:
                target[0] = (byte)value;
                _buffered += 1;
                break;
            case >= sbyte.MinValue:
                target[0] = Code.Int8;
                target[1] = (byte)value;
                _buffered += 2;
                break;
            case >= short.MinValue:
                target[0] = Code.Int16;
                BinaryPrimitives.WriteInt16BigEndian(target[1..], (short)value);
                _buffered += 3;
                break;
            case >= int.MinValue:
                target[0] = Code.Int32;
                BinaryPrimitives.WriteInt32BigEndian(target[1..], (int)value);
                _buffered += 5;
                break;
            default:
                target[0] = Code.Int64;
                BinaryPrimitives.WriteInt64BigEndian(target[1..], value);
                _buffered += 9;
                break;
        }
    }

    public void Write(ulong value)
    {
        switch (value)
        {
            case <= Code.MaxFixInt: WriteByte((byte)value); break;
            case <= byte.MaxValue: WriteNumber(Code.UInt8, 1, value); break;
            case <= ushort.MaxValue: WriteNumber(Code.UInt16, 2, value); break;
            case <= uint.MaxValue: WriteNumber(Code.UInt32, 4, value); break;
            default: WriteNumber(Code.UInt64, 8, value); break;
        }
    }

    public void Write(float value) => WriteNumber(Code.Float32, 4, BitConverter.SingleToUInt32Bits(value));

    public void Write(double value) => WriteNumber(Code.Float64, 8, BitConverter.DoubleToUInt64Bits(value));

    /// <summary>Writes a time exactly, to the tick.</summary>
    /// <exception cref="ArgumentException">The time is not UTC: what it means would depend on the machine.</exception>
    public void Write(DateTime dateTime)
    {
        if (dateTime.Kind != DateTimeKind.Utc) throw new ArgumentException("Only UTC times are written.", nameof(dateTime));
        Span<byte> bytes = stackalloc byte[MessagePackTime.MaxLength];
        int length = MessagePackTime.Write(dateTime, bytes);
        WriteExtensionFormatHeader(new ExtensionHeader(Code.TimestampType, (uint)length));
        WriteRaw(bytes[..length]);
    }

    /// <summary>Writes text, or nil for null.</summary>
    /// <exception cref="ArgumentException">The text has half a surrogate pair. Nothing was written.</exception>
    public void Write(string? value)
    {
        if (value is null) WriteNil();
        else Write(value.AsSpan());
    }

    /// <summary>Writes text.</summary>
    /// <exception cref="ArgumentException">The text has half a surrogate pair. Nothing was written.</exception>
    public void Write(scoped ReadOnlySpan<char> value)
    {
        int length = _strictUtf8.GetByteCount(value);
        WriteStringHeader(length);
        Span<byte> target = Room(length);   // On a line of its own: it may reset the count the next line adds to.
        _buffered += _strictUtf8.GetBytes(value, target);
    }

    /// <summary>Writes text that is UTF-8 already.</summary>
    /// <exception cref="ArgumentException">It is not. Nothing was written.</exception>
    public void WriteString(scoped ReadOnlySpan<byte> utf8stringBytes)
    {
        if (!Utf8.IsValid(utf8stringBytes)) throw new ArgumentException("The text is not valid UTF-8.", nameof(utf8stringBytes));
        WriteStringHeader(utf8stringBytes.Length);
        WriteRaw(utf8stringBytes);
    }

    /// <summary>Announces that many bytes of UTF-8, which <see cref="WriteRaw"/> must bring.</summary>
    public void WriteStringHeader(int byteCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(byteCount);
        if (byteCount <= Code.MaxFixStrLength) WriteByte((byte)(Code.MinFixStr | byteCount));
        else if (byteCount <= byte.MaxValue) WriteNumber(Code.Str8, 1, (uint)byteCount);
        else if (byteCount <= ushort.MaxValue) WriteNumber(Code.Str16, 2, (uint)byteCount);
        else WriteNumber(Code.Str32, 4, (uint)byteCount);
    }

    /// <summary>Writes bytes as a binary.</summary>
    public void Write(scoped ReadOnlySpan<byte> src)
    {
        WriteBinHeader(src.Length);
        WriteRaw(src);
    }

    /// <summary>Announces a binary of that many bytes, which <see cref="WriteRaw"/> must bring.</summary>
    public void WriteBinHeader(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (length <= byte.MaxValue) WriteNumber(Code.Bin8, 1, (uint)length);
        else if (length <= ushort.MaxValue) WriteNumber(Code.Bin16, 2, (uint)length);
        else WriteNumber(Code.Bin32, 4, (uint)length);
    }

    /// <summary>Announces that many elements.</summary>
    public void WriteArrayHeader(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (count <= Code.MaxFixArrayCount) WriteByte((byte)(Code.MinFixArray | count));
        else if (count <= ushort.MaxValue) WriteNumber(Code.Array16, 2, (uint)count);
        else WriteNumber(Code.Array32, 4, (uint)count);
    }

    /// <summary>Announces that many pairs of key and value.</summary>
    public void WriteMapHeader(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (count <= Code.MaxFixMapCount) WriteByte((byte)(Code.MinFixMap | count));
        else if (count <= ushort.MaxValue) WriteNumber(Code.Map16, 2, (uint)count);
        else WriteNumber(Code.Map32, 4, (uint)count);
    }

    /// <summary>Announces an extension, whose bytes <see cref="WriteRaw"/> must bring.</summary>
    public void WriteExtensionFormatHeader(ExtensionHeader extensionHeader)
    {
        uint length = extensionHeader.Length;
        if (length is 1 or 2 or 4 or 8 or 16) WriteByte((byte)(Code.FixExt1 + uint.TrailingZeroCount(length)));
        else if (length <= byte.MaxValue) WriteNumber(Code.Ext8, 1, length);
        else if (length <= ushort.MaxValue) WriteNumber(Code.Ext16, 2, length);
        else WriteNumber(Code.Ext32, 4, length);
        WriteByte((byte)extensionHeader.TypeCode);
    }

    /// <summary>Writes bytes as they are: the content of an announced string, binary or extension, or MessagePack made elsewhere.</summary>
    public void WriteRaw(scoped ReadOnlySpan<byte> rawMessagePackBlock)
    {
        if (rawMessagePackBlock.Length <= _buffer.Length - _buffered)
        {
            rawMessagePackBlock.CopyTo(_buffer[_buffered..]);
            _buffered += rawMessagePackBlock.Length;
            return;
        }

        Flush();
        _output.Write(rawMessagePackBlock);
    }

    private void WriteByte(byte value)
    {
        Room(1)[0] = value;
        _buffered++;
    }

    private void WriteNumber(byte code, int size, ulong value)
    {
        Span<byte> target = Room(MaxHeaderSize);
        target[0] = code;
        switch (size)
        {
            case 1: target[1] = (byte)value; break;
            case 2: BinaryPrimitives.WriteUInt16BigEndian(target[1..], (ushort)value); break;
            case 4: BinaryPrimitives.WriteUInt32BigEndian(target[1..], (uint)value); break;
            default: BinaryPrimitives.WriteUInt64BigEndian(target[1..], value); break;
        }

        _buffered += 1 + size;
    }

    /// <summary>At least that many bytes to write to. Counted once <see cref="_buffered"/> moves.</summary>
    private Span<byte> Room(int size)
    {
        if (_buffer.Length - _buffered < size)
        {
            Flush();
            _buffer = _output.GetSpan(size);
        }

        return _buffer[_buffered..];
    }
}
