using System.Buffers;
using System.Text;
using Tidemark.Core.MessagePack;

namespace Tidemark.Tests.Properties;

/// <summary>A generated MessagePack value: its bytes, and a text that says what they mean.</summary>
/// <remarks>
/// The text is what two readers are compared by. It knows no form of the bytes, only values: <c>n t f i-5 d(16 hex) s(hex) b(hex) [v,v,] {k:v,} x5:(hex)
/// T(seconds).(nanoseconds)</c>. A single is shown as the double it equals.
/// </remarks>
internal sealed record MessagePackDocument(byte[] Bytes, string Text)
{
    private const int MaxDepth = 5;

    /// <summary>Whether any float is a single: a reader that keeps only doubles cannot write those back.</summary>
    public bool HasSingles { get; private set; }

    /// <summary>Generates a document of up to some hundred values.</summary>
    public static MessagePackDocument Generate(Random chance)
    {
        var output = new ArrayBufferWriter<byte>();
        var text = new StringBuilder();
        var writer = new MessagePackWriter(output);
        bool hasSingles = false;
        Generate(ref writer, text, chance, depth: 0, ref hasSingles);
        writer.Flush();
        return new MessagePackDocument(output.WrittenSpan.ToArray(), text.ToString()) { HasSingles = hasSingles };
    }

    /// <summary>Reads a whole message, whatever it holds, and says what it means.</summary>
    /// <exception cref="MalformedDataException">The bytes are no message.</exception>
    public static string Render(ReadOnlySpan<byte> bytes, MessagePackLimits? limits = null)
    {
        var reader = new MessagePackReader(bytes, limits ?? MessagePackLimits.Default);
        var text = new StringBuilder();
        Render(ref reader, text);
        reader.ReadEnd();
        return text.ToString();
    }

    private static void Generate(ref MessagePackWriter writer, StringBuilder text, Random chance, int depth, ref bool hasSingles)
    {
        switch (chance.Next(depth < MaxDepth ? 13 : 9))
        {
            case 0:
                writer.WriteNil();
                text.Append('n');
                break;
            case 1:
                bool flag = chance.Next(2) == 0;
                writer.Write(flag);
                text.Append(flag ? 't' : 'f');
                break;
            case 2:
                // Bits chosen first, so that every width and its borders come up.
                long signed = (chance.NextInt64(long.MinValue, long.MaxValue) >> chance.Next(64)) + chance.Next(-1, 2);
                writer.Write(signed);
                text.Append('i').Append(signed);
                break;
            case 3:
                ulong unsigned = (ulong)chance.NextInt64(long.MinValue, long.MaxValue) >> chance.Next(64);
                writer.Write(unsigned);
                text.Append('i').Append(unsigned);
                break;
            case 4:
                double number = chance.Next(4) switch
                {
                    0 => new[] { 0.0, -0.0, double.NaN, double.PositiveInfinity, double.Epsilon, double.MinValue }[chance.Next(6)],
                    _ => (chance.NextDouble() - 0.5) * Math.Pow(10, chance.Next(-300, 300)),
                };
                bool single = chance.Next(4) == 0;
                hasSingles |= single;
                if (single) number = (float)number;
                if (single) writer.Write((float)number);
                else writer.Write(number);
                text.Append('d').Append(BitConverter.DoubleToUInt64Bits(number).ToString("x16"));
                break;
            case 5:
                string value = RandomText(chance);
                if (chance.Next(2) == 0) writer.Write(value);
                else writer.WriteString(Encoding.UTF8.GetBytes(value));
                text.Append('s').Append(Convert.ToHexStringLower(Encoding.UTF8.GetBytes(value)));
                break;
            case 6:
                byte[] bytes = RandomBytes(chance, RandomLength(chance));
                writer.Write(bytes);
                text.Append('b').Append(Convert.ToHexStringLower(bytes));
                break;
            case 7:
                sbyte type = (sbyte)(chance.Next(4) == 0 ? chance.Next(-128, -1) : chance.Next(128));   // -1 is a time.
                byte[] content = RandomBytes(chance, chance.Next(2) == 0 ? 1 << chance.Next(6) : RandomLength(chance));
                writer.WriteExtensionFormatHeader(new ExtensionHeader(type, (uint)content.Length));
                writer.WriteRaw(content);
                text.Append('x').Append(type).Append(':').Append(Convert.ToHexStringLower(content));
                break;
            case 8:
                DateTime time = RandomTime(chance);
                writer.Write(time);
                AppendTime(text, time);
                break;
            case 9 or 10:
                int elements = RandomCount(chance, depth);
                writer.WriteArrayHeader(elements);
                text.Append('[');
                for (int i = 0; i < elements; i++)
                {
                    Generate(ref writer, text, chance, depth + 1, ref hasSingles);
                    text.Append(',');
                }
                text.Append(']');
                break;
            default:
                int pairs = RandomCount(chance, depth);
                writer.WriteMapHeader(pairs);
                text.Append('{');
                for (int i = 0; i < pairs; i++)
                {
                    Generate(ref writer, text, chance, depth: MaxDepth, ref hasSingles);
                    text.Append(':');
                    Generate(ref writer, text, chance, depth + 1, ref hasSingles);
                    text.Append(',');
                }
                text.Append('}');
                break;
        }
    }

    private static void Render(ref MessagePackReader reader, StringBuilder text)
    {
        switch (reader.NextMessagePackType)
        {
            case MessagePackType.Nil:
                reader.ReadNil();
                text.Append('n');
                break;
            case MessagePackType.Boolean:
                text.Append(reader.ReadBoolean() ? 't' : 'f');
                break;
            case MessagePackType.Integer:
                bool isNegative = reader.NextCode is >= MessagePackCode.MinNegativeFixInt or (>= MessagePackCode.Int8 and <= MessagePackCode.Int64);
                if (isNegative) text.Append('i').Append(reader.ReadInt64());
                else text.Append('i').Append(reader.ReadUInt64());
                break;
            case MessagePackType.Float:
                double number = reader.NextCode == MessagePackCode.Float32 ? reader.ReadSingle() : reader.ReadDouble();
                text.Append('d').Append(BitConverter.DoubleToUInt64Bits(number).ToString("x16"));
                break;
            case MessagePackType.String:
                reader.TryReadStringSpan(out ReadOnlySpan<byte> utf8);
                text.Append('s').Append(Convert.ToHexStringLower(utf8));
                break;
            case MessagePackType.Binary:
                text.Append('b').Append(Convert.ToHexStringLower(reader.ReadBytes()));
                break;
            case MessagePackType.Extension:
                MessagePackReader peek = reader;
                ExtensionHeader header = peek.ReadExtensionFormatHeader();
                if (header.TypeCode == MessagePackCode.TimestampType)
                {
                    AppendTime(text, reader.ReadDateTime());
                    break;
                }
                reader.ReadExtensionFormatHeader();
                text.Append('x').Append(header.TypeCode).Append(':').Append(Convert.ToHexStringLower(reader.ReadRaw((int)header.Length)));
                break;
            case MessagePackType.Array:
                int elements = reader.ReadArrayHeader();
                reader.DepthStep();
                text.Append('[');
                for (int i = 0; i < elements; i++)
                {
                    Render(ref reader, text);
                    text.Append(',');
                }
                text.Append(']');
                reader.Depth--;
                break;
            case MessagePackType.Map:
                int pairs = reader.ReadMapHeader();
                reader.DepthStep();
                text.Append('{');
                for (int i = 0; i < pairs; i++)
                {
                    Render(ref reader, text);
                    text.Append(':');
                    Render(ref reader, text);
                    text.Append(',');
                }
                text.Append('}');
                reader.Depth--;
                break;
            default:
                reader.Skip();
                break;
        }
    }

    private static void AppendTime(StringBuilder text, DateTime time)
    {
        long ticks = time.Ticks - DateTime.UnixEpoch.Ticks;
        long seconds = (long)Math.Floor(ticks / (decimal)TimeSpan.TicksPerSecond);
        text.Append('T').Append(seconds).Append('.').Append(((ticks - (seconds * TimeSpan.TicksPerSecond)) * 100).ToString("D9"));
    }

    private static DateTime RandomTime(Random chance)
    {
        long seconds = chance.Next(4) switch
        {
            0 => chance.NextInt64(uint.MaxValue + 1L),
            1 => chance.NextInt64(1L << 34),
            2 => new[] { 0, uint.MaxValue, uint.MaxValue + 1L, (1L << 34) - 1, 1L << 34, -1 }[chance.Next(6)],
            _ => chance.NextInt64(-62_135_596_800, 253_402_300_799),
        };
        return DateTime.UnixEpoch.AddTicks((seconds * TimeSpan.TicksPerSecond) + (chance.Next(2) * chance.Next((int)TimeSpan.TicksPerSecond)));
    }

    private static int RandomCount(Random chance, int depth) => depth == 0 && chance.Next(20) == 0 ? chance.Next(14, 40) : chance.Next(6);

    private static int RandomLength(Random chance) => chance.Next(12) switch
    {
        0 => new[] { 15, 16, 17, 31, 32, 33, 255, 256, 257 }[chance.Next(9)],
        1 when chance.Next(40) == 0 => new[] { 65_535, 65_536 }[chance.Next(2)],
        _ => chance.Next(12),
    };

    private static byte[] RandomBytes(Random chance, int length)
    {
        byte[] bytes = new byte[length];
        chance.NextBytes(bytes);
        return bytes;
    }

    private static string RandomText(Random chance)
    {
        var text = new StringBuilder();
        for (int left = RandomLength(chance); left > 0; left--)
        {
            int kind = chance.Next(8);
            var rune = kind == 0 ? new Rune(chance.Next(0x10000, 0x110000)) : new Rune(kind == 1 ? chance.Next(0x80, 0xD800) : chance.Next(0x80));
            text.Append(rune.ToString());
        }
        return text.ToString();
    }
}
