namespace Tidemark;

/// <summary>A record to append.</summary>
/// <param name="Payload">0 to <see cref="LogOptions.MaxRecordBytes"/> bytes.</param>
public readonly record struct LogEntry(ReadOnlyMemory<byte> Payload)
{
    /// <summary>What the payload is, in numbers of the caller's. Default 0.</summary>
    public ushort Kind { get; init; }

    /// <summary>The leadership number under which it was written; never falls along the log. Null: the last record's.</summary>
    public long? Term { get; init; }

    /// <summary>When it was written; strictly rises along the log. Null: the log's clock stamps it.</summary>
    public HybridTimestamp? Timestamp { get; init; }
}

/// <summary>A record read from a log.</summary>
/// <param name="Offset">Its position in the log: dense, from the log's first offset on.</param>
/// <param name="Term">The leadership number under which it was written.</param>
/// <param name="Timestamp">When it was written; strictly rises with the offset.</param>
/// <param name="Kind">What the payload is, in numbers of the writer's.</param>
/// <param name="Payload">The bytes. They belong to the reader and are valid until it is asked for the next record or disposed: copy what must last.</param>
public readonly record struct LogRecord(long Offset, long Term, HybridTimestamp Timestamp, ushort Kind, ReadOnlyMemory<byte> Payload);
