using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;

using Tidemark.Core.KeyValue;

namespace Tidemark.Replication.Export;

/// <summary>Writes the records of namespaces as lines of JSON. Format: docs/format/export.md.</summary>
internal sealed class ExportWriter : IDisposable
{
    private const int ChunkBytes = 64 * 1024;
    private const int RestingBytes = 4 * 1024 * 1024;   // A buffer that one long record has grown beyond this is let go.

    private static readonly JsonWriterOptions _json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Stream _output;
    private readonly IProgress<ExportProgress>? _progress;
    private readonly Utf8JsonWriter _writer;
    private ArrayBufferWriter<byte> _buffer = new(ChunkBytes);
    private long _records;
    private long _ephemerals;
    private long _bytes;

    internal ExportWriter(Stream output, IProgress<ExportProgress>? progress)
    {
        _output = output;
        _progress = progress;
        _writer = new Utf8JsonWriter(_buffer, _json);
    }

    /// <summary>Writes namespaces in the order of their names, and their records in key order.</summary>
    internal async Task<ExportReport> RunAsync(IEnumerable<KeyValueStore> spaces, CancellationToken cancellation)
    {
        WriteHeader();
        foreach (KeyValueStore space in spaces.Order(Comparer<KeyValueStore>.Create((a, b) => ExportFormat.CompareNames(a.Name, b.Name))))
        {
            WriteNamespace(space.Name, space.Settings);
            await foreach (StoreRecord record in space.ScanAsync(KeyRange.All, cancellationToken: cancellation).ConfigureAwait(false))
            {
                if (record.Key.Span.StartsWith(RecordTable.ReservedPrefix)) continue;   // The library's own, about what is not exported.
                if (record.SessionId is not null)
                {
                    _ephemerals++;
                    continue;
                }

                WriteRecord(record);
                if (_buffer.WrittenCount >= ChunkBytes) await PassOnAsync(cancellation).ConfigureAwait(false);
            }
        }

        WriteEnd();
        await PassOnAsync(cancellation).ConfigureAwait(false);
        await _output.FlushAsync(cancellation).ConfigureAwait(false);
        return new ExportReport(_records, _ephemerals, _bytes);
    }

    public void Dispose() => _writer.Dispose();

    private async ValueTask PassOnAsync(CancellationToken cancellation)
    {
        await _output.WriteAsync(_buffer.WrittenMemory, cancellation).ConfigureAwait(false);
        _bytes += _buffer.WrittenCount;
        if (_buffer.Capacity > RestingBytes) _buffer = new ArrayBufferWriter<byte>(ChunkBytes);
        else _buffer.ResetWrittenCount();
        _writer.Reset(_buffer);
        _progress?.Report(new ExportProgress(_records, _bytes));
    }

    private void WriteHeader()
    {
        _writer.WriteStartObject();
        _writer.WriteString(ExportFormat.Header, ExportFormat.Export);
        _writer.WriteNumber("version", ExportFormat.Version);
        EndLine();
    }

    private void WriteNamespace(string name, NamespaceOptions settings)
    {
        _writer.WriteStartObject();
        _writer.WriteString(ExportFormat.Namespace, name);
        _writer.WriteString("keyOrder", settings.KeyOrder.Name);
        _writer.WriteNumber("shards", settings.ShardCount);
        _writer.WriteNumber("maxKeyBytes", settings.MaxKeyBytes);
        _writer.WriteNumber("maxValueBytes", settings.MaxValueBytes);
        _writer.WriteNumber("maxBatchBytes", settings.MaxBatchBytes);
        _writer.WriteNumber("changeLogEntries", settings.ChangeLogEntries);
        _writer.WriteNumber("changeLogBytes", settings.ChangeLogBytes);
        _writer.WriteNumber("clientIdleMilliseconds", settings.ClientIdleTimeout.Ticks / TimeSpan.TicksPerMillisecond);
        _writer.WriteNumber("maxClients", settings.MaxClients);
        _writer.WriteNumber("maxSessions", settings.MaxSessions);
        EndLine();
    }

    private void WriteRecord(in StoreRecord record)
    {
        _writer.WriteStartObject();
        _writer.WritePropertyName(ExportFormat.Key);
        WriteBytes(record.Key.Span);
        _writer.WritePropertyName("value");
        WriteBytes(record.Value.Span);
        _writer.WriteNumber("version", record.Version);
        _writer.WriteNumber("modifications", record.Modifications);
        WriteTime("created", record.Created);
        WriteTime("modified", record.Modified);
        if (record.PartitionKey is { } partition)
        {
            _writer.WritePropertyName("partitionKey");
            WriteBytes(partition.Span);
        }

        if (record.Expires is { } expires) WriteTime("expires", expires);
        IReadOnlyList<IndexEntry> indexes = record.Indexes;
        if (indexes.Count > 0) WriteIndexes(indexes);
        EndLine();
        _records++;
    }

    private void WriteIndexes(IReadOnlyList<IndexEntry> indexes)
    {
        _writer.WriteStartArray("indexes");
        foreach (IndexEntry entry in indexes)
        {
            _writer.WriteStartArray();
            WriteBytes(entry.Index.Span);
            WriteBytes(entry.Key.Span);
            _writer.WriteEndArray();
        }

        _writer.WriteEndArray();
    }

    private void WriteEnd()
    {
        _writer.WriteStartObject();
        _writer.WriteBoolean(ExportFormat.End, true);
        _writer.WriteNumber("records", _records);
        EndLine();
    }

    private void EndLine()
    {
        _writer.WriteEndObject();
        _writer.Flush();
        _buffer.Write("\n"u8);
        _writer.Reset();
    }

    private void WriteTime(string name, HybridTimestamp time)
    {
        Span<byte> text = stackalloc byte[HybridTimestamp.TextLength];
        time.TryFormat(text, out _);
        _writer.WriteString(name, text);
    }

    /// <summary>Text where the bytes are UTF-8, base64 otherwise.</summary>
    private void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        if (Utf8.IsValid(bytes))
        {
            _writer.WriteStringValue(bytes);
            return;
        }

        _writer.WriteStartObject();
        _writer.WriteBase64String("base64", bytes);
        _writer.WriteEndObject();
    }
}
