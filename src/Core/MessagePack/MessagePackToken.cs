using System.Buffers.Binary;
using Code = Tidemark.Core.MessagePack.MessagePackCode;

namespace Tidemark.Core.MessagePack;

/// <summary>One value's first bytes, understood: a whole number, nil, boolean or float, or the header of what follows.</summary>
/// <remarks>
/// Knows the standard's forms and nothing of limits, so that reading a value and skipping it cannot disagree. <c>default</c> means that the bytes
/// ended first. Two words, the second put together with shifts: written as single bytes and then returned as a word, it costs a reader twice the time.
/// </remarks>
internal readonly struct MessagePackToken
{
    private const ulong NegativeFlag = 1ul << 32, CanonicalFlag = 1ul << 33;

    private readonly ulong _facts;   // From the lowest byte up: type, size, extension type, nothing, flags.

    private MessagePackToken(MessagePackType type, int size, ulong value, bool isCanonical, bool isNegative = false, byte extensionType = 0)
    {
        Value = value;
        _facts = (uint)type | ((uint)size << 8) | ((uint)extensionType << 16) | (isNegative ? NegativeFlag : 0) | (isCanonical ? CanonicalFlag : 0);
    }

    /// <summary>An integer in two's complement, a boolean as 0 or 1, a float's bits, a length in bytes, or a count of elements or pairs.</summary>
    public ulong Value { get; }

    public MessagePackType Type => (MessagePackType)(byte)_facts;

    /// <summary>The bytes of the token. The contents of strings, binaries and extensions come after them and are not counted.</summary>
    public int Size => (byte)(_facts >> 8);

    /// <summary>The type of an extension.</summary>
    public sbyte ExtensionType => (sbyte)(_facts >> 16);

    /// <summary>Whether an integer is below 0.</summary>
    public bool IsNegative => (_facts & NegativeFlag) != 0;

    /// <summary>Whether no shorter form holds the same.</summary>
    public bool IsCanonical => (_facts & CanonicalFlag) != 0;

    /// <summary>Understands the token at the start of the bytes.</summary>
    /// <returns><c>default</c>, of size 0, where the bytes end before the token does.</returns>
    public static MessagePackToken Read(ReadOnlySpan<byte> source)
    {
        if (source.IsEmpty) return default;
        byte code = source[0];
        int size = 1 + ArgumentSize(code);
        if (source.Length < size) return default;
        ReadOnlySpan<byte> argument = source[1..size];
        return code switch
        {
            <= Code.MaxFixInt => new(MessagePackType.Integer, size, code, true),
            < Code.MinFixArray => new(MessagePackType.Map, size, (ulong)(code & Code.MaxFixMapCount), true),
            < Code.MinFixStr => new(MessagePackType.Array, size, (ulong)(code & Code.MaxFixArrayCount), true),
            < Code.Nil => new(MessagePackType.String, size, (ulong)(code & Code.MaxFixStrLength), true),
            Code.Nil => new(MessagePackType.Nil, size, 0, true),
            Code.NeverUsed => new(MessagePackType.Unknown, size, 0, false),
            Code.False or Code.True => new(MessagePackType.Boolean, size, (ulong)(code & 1), true),
            <= Code.Bin32 => Length(MessagePackType.Binary, argument, maxFix: -1),
            <= Code.Ext32 => Extension(argument[..^1], argument[^1]),
            <= Code.Float64 => new(MessagePackType.Float, size, Unsigned(argument), true),
            <= Code.UInt64 => Unsigned(Unsigned(argument), size),
            <= Code.Int64 => Signed(argument, size),
            <= Code.FixExt16 => new(MessagePackType.Extension, size, 1ul << (code - Code.FixExt1), true, extensionType: argument[0]),
            <= Code.Str32 => Length(MessagePackType.String, argument, Code.MaxFixStrLength),
            <= Code.Array32 => Length(MessagePackType.Array, argument, Code.MaxFixArrayCount),
            <= Code.Map32 => Length(MessagePackType.Map, argument, Code.MaxFixMapCount),
            _ => new(MessagePackType.Integer, size, (ulong)(sbyte)code, true, isNegative: true),
        };
    }

    /// <summary>The kind of value a code begins.</summary>
    public static MessagePackType TypeOf(byte code) => code switch
    {
        <= Code.MaxFixInt or (>= Code.UInt8 and <= Code.Int64) or >= Code.MinNegativeFixInt => MessagePackType.Integer,
        < Code.MinFixArray or Code.Map16 or Code.Map32 => MessagePackType.Map,
        < Code.MinFixStr or Code.Array16 or Code.Array32 => MessagePackType.Array,
        < Code.Nil or (>= Code.Str8 and <= Code.Str32) => MessagePackType.String,
        Code.Nil => MessagePackType.Nil,
        Code.NeverUsed => MessagePackType.Unknown,
        Code.False or Code.True => MessagePackType.Boolean,
        <= Code.Bin32 => MessagePackType.Binary,
        Code.Float32 or Code.Float64 => MessagePackType.Float,
        _ => MessagePackType.Extension,
    };

    /// <summary>The bytes between a code and the content it speaks of.</summary>
    private static int ArgumentSize(byte code) => code switch
    {
        Code.Bin8 or Code.UInt8 or Code.Int8 or Code.Str8 or (>= Code.FixExt1 and <= Code.FixExt16) => 1,
        Code.Bin16 or Code.UInt16 or Code.Int16 or Code.Str16 or Code.Array16 or Code.Map16 or Code.Ext8 => 2,
        Code.Ext16 => 3,
        Code.Bin32 or Code.UInt32 or Code.Int32 or Code.Str32 or Code.Array32 or Code.Map32 or Code.Float32 => 4,
        Code.Ext32 => 5,
        Code.UInt64 or Code.Int64 or Code.Float64 => 8,
        _ => 0,
    };

    private static ulong Unsigned(ReadOnlySpan<byte> argument) => argument.Length switch
    {
        1 => argument[0],
        2 => BinaryPrimitives.ReadUInt16BigEndian(argument),
        4 => BinaryPrimitives.ReadUInt32BigEndian(argument),
        _ => BinaryPrimitives.ReadUInt64BigEndian(argument),
    };

    private static MessagePackToken Unsigned(ulong value, int size)
    {
        bool isShortest = size switch { 2 => value > Code.MaxFixInt, 3 => value > byte.MaxValue, 5 => value > ushort.MaxValue, _ => value > uint.MaxValue };
        return new(MessagePackType.Integer, size, value, isShortest);
    }

    private static MessagePackToken Signed(ReadOnlySpan<byte> argument, int size)
    {
        long value = argument.Length switch
        {
            1 => (sbyte)argument[0],
            2 => BinaryPrimitives.ReadInt16BigEndian(argument),
            4 => BinaryPrimitives.ReadInt32BigEndian(argument),
            _ => BinaryPrimitives.ReadInt64BigEndian(argument),
        };
        bool isShortest = size switch { 2 => value < Code.MinFixIntValue, 3 => value < sbyte.MinValue, 5 => value < short.MinValue, _ => value < int.MinValue };
        return new(MessagePackType.Integer, size, (ulong)value, isShortest, isNegative: value < 0);
    }

    private static MessagePackToken Length(MessagePackType type, ReadOnlySpan<byte> argument, int maxFix)
    {
        ulong length = Unsigned(argument);
        bool hasByteForm = type is MessagePackType.String or MessagePackType.Binary;
        bool isShortest = argument.Length switch
        {
            1 => (long)length > maxFix,
            2 => (long)length > (hasByteForm ? byte.MaxValue : maxFix),
            _ => length > ushort.MaxValue,
        };
        return new(type, 1 + argument.Length, length, isShortest);
    }

    private static MessagePackToken Extension(ReadOnlySpan<byte> argument, byte type)
    {
        ulong length = Unsigned(argument);
        bool isShortest = argument.Length switch
        {
            1 => length is not (1 or 2 or 4 or 8 or 16),
            2 => length > byte.MaxValue,
            _ => length > ushort.MaxValue,
        };
        return new(MessagePackType.Extension, 2 + argument.Length, length, isShortest, extensionType: type);
    }
}
