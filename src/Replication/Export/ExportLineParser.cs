using System.Text.Json;

namespace Tidemark.Replication.Export;

/// <summary>Reads one line of an export. Format: docs/format/export.md.</summary>
/// <remarks>Strict: what stands there is understood as a whole, or refused.</remarks>
internal ref struct ExportLineParser
{
    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
    private Utf8JsonReader _reader;

    private ExportLineParser(ReadOnlySpan<byte> line) => _reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = 8 });

    /// <exception cref="FormatException">It is no line of an export. The message says why.</exception>
    internal static ExportLine Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            var parser = new ExportLineParser(line);
            ExportLine parsed = parser.ReadLine();
            if (parser._reader.Read()) throw new FormatException("something follows the object");
            return parsed;
        }
        catch (JsonException e)
        {
            throw new FormatException($"it is no JSON object at byte {e.BytePositionInLine}", e);
        }
        catch (InvalidOperationException e)
        {
            throw new FormatException("a string is no valid text", e);
        }
    }

    private ExportLine ReadLine()
    {
        if (!_reader.Read() || _reader.TokenType != JsonTokenType.StartObject) throw new FormatException("it is no JSON object");
        if (!NextField(out string first)) throw new FormatException("the object is empty");
        return first switch
        {
            ExportFormat.Header => ReadHeader(),
            ExportFormat.Namespace => ReadNamespace(),
            ExportFormat.Key => ReadRecord(),
            ExportFormat.End => ReadEnd(),
            _ => throw new FormatException($"no line begins with '{first}'"),
        };
    }

    private HeaderLine ReadHeader()
    {
        if (ReadText() != ExportFormat.Export) throw new FormatException("it is no export");
        long version = 0;
        while (NextField(out string field)) version = field == "version" ? ReadNumber() : throw Unknown(field);
        Require("version");
        return new HeaderLine(version);
    }

    private NamespaceLine ReadNamespace()
    {
        string name = ReadText();
        var settings = new NamespaceOptions();
        while (NextField(out string field))
        {
            settings = field switch
            {
                "keyOrder" => settings with { KeyOrder = ReadOrder() },
                "shards" => settings with { ShardCount = ReadInt() },
                "maxKeyBytes" => settings with { MaxKeyBytes = ReadInt() },
                "maxValueBytes" => settings with { MaxValueBytes = ReadInt() },
                "maxBatchBytes" => settings with { MaxBatchBytes = ReadInt() },
                "changeLogEntries" => settings with { ChangeLogEntries = ReadInt() },
                "changeLogBytes" => settings with { ChangeLogBytes = ReadNumber() },
                "clientIdleMilliseconds" => settings with { ClientIdleTimeout = ReadMilliseconds() },
                "maxClients" => settings with { MaxClients = ReadInt() },
                "maxSessions" => settings with { MaxSessions = ReadInt() },
                _ => throw Unknown(field),
            };
        }

        Require("keyOrder", "shards", "maxKeyBytes", "maxValueBytes", "maxBatchBytes", "changeLogEntries", "changeLogBytes", "clientIdleMilliseconds", "maxClients", "maxSessions");
        try
        {
            settings.Validate();
        }
        catch (ArgumentException e)
        {
            throw new FormatException("a setting is outside its limits: " + e.Message, e);
        }

        return new NamespaceLine(name, settings);
    }

    private RecordLine ReadRecord()
    {
        byte[] key = ReadBytes(), value = [];
        byte[]? partition = null;
        HybridTimestamp? expires = null;
        IReadOnlyList<IndexEntry> indexes = [];
        while (NextField(out string field))
        {
            switch (field)
            {
                case "value": value = ReadBytes(); break;
                case "partitionKey": partition = ReadBytes(); break;
                case "expires": expires = ReadTime(); break;
                case "indexes": indexes = ReadIndexes(); break;
                case "version" or "modifications": ReadNumber(); break;   // The store that imports gives its own.
                case "created" or "modified": ReadTime(); break;
                default: throw Unknown(field);
            }
        }

        Require("value", "version", "modifications", "created", "modified");
        return new RecordLine(key, value, partition, expires, indexes);
    }

    private EndLine ReadEnd()
    {
        if (_reader.TokenType != JsonTokenType.True) throw new FormatException("'end' is true");
        long records = 0;
        while (NextField(out string field)) records = field == "records" ? ReadNumber() : throw Unknown(field);
        Require("records");
        return new EndLine(records);
    }

    private List<IndexEntry> ReadIndexes()
    {
        Expect(JsonTokenType.StartArray, "an array of index entries");
        var entries = new List<IndexEntry>();
        while (_reader.Read() && _reader.TokenType != JsonTokenType.EndArray)
        {
            Expect(JsonTokenType.StartArray, "an index entry of [index, key]");
            _reader.Read();
            byte[] index = ReadBytes();
            _reader.Read();
            entries.Add(new IndexEntry(index, ReadBytes()));
            _reader.Read();
            Expect(JsonTokenType.EndArray, "an index entry of [index, key]");
        }

        return entries;
    }

    /// <summary>Steps to the next field's value; false at the end of the object.</summary>
    private bool NextField(out string name)
    {
        name = "";
        if (!_reader.Read() || _reader.TokenType == JsonTokenType.EndObject) return false;
        name = _reader.GetString()!;
        if (!_seen.Add(name)) throw new FormatException($"the field '{name}' stands there twice");
        return _reader.Read();
    }

    private byte[] ReadBytes()
    {
        if (_reader.TokenType == JsonTokenType.String) return ReadUtf8();
        Expect(JsonTokenType.StartObject, "text or base64");
        bool isBase64 = _reader.Read() && _reader.TokenType == JsonTokenType.PropertyName && _reader.ValueTextEquals("base64"u8) && _reader.Read();
        if (!isBase64 || _reader.TokenType != JsonTokenType.String || !_reader.TryGetBytesFromBase64(out byte[]? bytes)) throw new FormatException("text or base64 is wanted");
        _reader.Read();
        Expect(JsonTokenType.EndObject, "nothing behind base64");
        return bytes;
    }

    private byte[] ReadUtf8()
    {
        byte[] bytes = new byte[_reader.ValueSpan.Length];   // Unescaped, it is no longer.
        int length = _reader.CopyString(bytes);
        return length == bytes.Length ? bytes : bytes[..length];
    }

    private string ReadText()
    {
        Expect(JsonTokenType.String, "text");
        return _reader.GetString()!;
    }

    private long ReadNumber()
    {
        Expect(JsonTokenType.Number, "an integer");
        return _reader.TryGetInt64(out long number) && number >= 0 ? number : throw new FormatException("an integer of 0 or more is wanted");
    }

    private int ReadInt()
    {
        long number = ReadNumber();
        return number <= int.MaxValue ? (int)number : throw new FormatException($"{number} is too large");
    }

    private TimeSpan ReadMilliseconds()
    {
        long number = ReadNumber();
        return number <= long.MaxValue / TimeSpan.TicksPerMillisecond ? TimeSpan.FromTicks(number * TimeSpan.TicksPerMillisecond) : throw new FormatException($"{number} is too large");
    }

    private HybridTimestamp ReadTime() =>
        HybridTimestamp.TryParse(ReadText(), out HybridTimestamp time) ? time : throw new FormatException("a timestamp is wanted");

    private KeyOrder ReadOrder()
    {
        string name = ReadText();
        if (name == KeyOrder.Hierarchical.Name) return KeyOrder.Hierarchical;
        return name == KeyOrder.Natural.Name ? KeyOrder.Natural : throw new FormatException($"there is no key order '{name}'");
    }

    private readonly void Expect(JsonTokenType type, string what)
    {
        if (_reader.TokenType != type) throw new FormatException($"{what} is wanted");
    }

    private readonly void Require(params ReadOnlySpan<string> fields)
    {
        foreach (string field in fields)
        {
            if (!_seen.Contains(field)) throw new FormatException($"the field '{field}' is missing");
        }
    }

    private static FormatException Unknown(string field) => new($"the field '{field}' is unknown");
}
