namespace Tidemark.Core.MessagePack;

/// <summary>The first byte of each form of the standard. The "Fix" ranges carry a small value or length in their low bits.</summary>
internal static class MessagePackCode
{
    public const byte MaxFixInt = 0x7F;
    public const byte MinFixMap = 0x80;
    public const byte MinFixArray = 0x90;
    public const byte MinFixStr = 0xA0;
    public const byte Nil = 0xC0;
    public const byte NeverUsed = 0xC1;
    public const byte False = 0xC2;
    public const byte True = 0xC3;
    public const byte Bin8 = 0xC4, Bin16 = 0xC5, Bin32 = 0xC6;
    public const byte Ext8 = 0xC7, Ext16 = 0xC8, Ext32 = 0xC9;
    public const byte Float32 = 0xCA, Float64 = 0xCB;
    public const byte UInt8 = 0xCC, UInt16 = 0xCD, UInt32 = 0xCE, UInt64 = 0xCF;
    public const byte Int8 = 0xD0, Int16 = 0xD1, Int32 = 0xD2, Int64 = 0xD3;
    public const byte FixExt1 = 0xD4, FixExt2 = 0xD5, FixExt4 = 0xD6, FixExt8 = 0xD7, FixExt16 = 0xD8;
    public const byte Str8 = 0xD9, Str16 = 0xDA, Str32 = 0xDB;
    public const byte Array16 = 0xDC, Array32 = 0xDD;
    public const byte Map16 = 0xDE, Map32 = 0xDF;
    public const byte MinNegativeFixInt = 0xE0;

    public const int MaxFixMapCount = 15;
    public const int MaxFixArrayCount = 15;
    public const int MaxFixStrLength = 31;
    public const int MinFixIntValue = -32;

    /// <summary>The extension type of times.</summary>
    public const sbyte TimestampType = -1;
}

/// <summary>The kinds of value the standard has.</summary>
internal enum MessagePackType : byte
{
    /// <summary>The code that is never used.</summary>
    Unknown,
    Integer,
    Nil,
    Boolean,
    Float,
    String,
    Binary,
    Array,
    Map,
    Extension,
}

/// <summary>What stands before an extension's bytes.</summary>
/// <param name="TypeCode">The application's type, 0 to 127, or the standard's, below 0.</param>
/// <param name="Length">How many bytes follow.</param>
internal readonly record struct ExtensionHeader(sbyte TypeCode, uint Length);
