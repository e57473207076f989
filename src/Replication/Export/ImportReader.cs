namespace Tidemark.Replication.Export;

/// <summary>Reads an export line by line and writes its records to a store. Format: docs/format/export.md.</summary>
internal sealed class ImportReader(TidemarkStore store, Stream input, string? only, IProgress<ExportProgress>? progress)
{
    private const int ReportedRecords = 1024;

    private readonly LineReader _lines = new(input);
    private long _seen;
    private long _expired;
    private long _skipped;
    private KeyValueStore? _space;
    private bool _isInNamespace;

    internal async Task<ImportReport> RunAsync(CancellationToken cancellation)
    {
        var window = new ImportWindow();
        try
        {
            await ReadAllAsync(window, cancellation).ConfigureAwait(false);
        }
        catch
        {
            // What was begun is finished: nothing is under way in the name of a call that has ended. The first failure is the one that counts.
            await window.SettleAsync().ConfigureAwait(false);
            throw;
        }

        await window.DrainAsync(cancellation).ConfigureAwait(false);
        progress?.Report(new ExportProgress(_seen, _lines.Consumed));
        return new ImportReport(_seen - _expired - _skipped, _expired, _skipped);
    }

    private async ValueTask ReadAllAsync(ImportWindow window, CancellationToken cancellation)
    {
        if (await NextAsync(cancellation).ConfigureAwait(false) is not HeaderLine header) throw Malformed("an export begins with its header");
        if (header.Version != ExportFormat.Version) throw Malformed($"version {ExportFormat.Version} of the format is wanted, this is {header.Version}");
        while (true)
        {
            switch (await NextAsync(cancellation).ConfigureAwait(false))
            {
                case NamespaceLine space:
                    await EnterAsync(space, cancellation).ConfigureAwait(false);
                    break;
                case RecordLine record:
                    await AddAsync(record, window, cancellation).ConfigureAwait(false);
                    break;
                case EndLine end:
                    if (end.Records != _seen) throw Malformed($"{end.Records} records were exported, here are {_seen}");
                    if (await _lines.ReadAsync(cancellation).ConfigureAwait(false) is not null) throw Malformed("nothing follows the end");
                    return;
                default:
                    throw Malformed("there is one header");
            }
        }
    }

    private async ValueTask<ExportLine> NextAsync(CancellationToken cancellation)
    {
        ReadOnlyMemory<byte> line = await _lines.ReadAsync(cancellation).ConfigureAwait(false)
            ?? throw new MalformedDataException(_lines.Consumed, $"line {_lines.Line + 1}: the file ends before the line that says so");
        try
        {
            return ExportLineParser.Parse(line.Span);
        }
        catch (FormatException e)
        {
            throw Malformed(e.Message);
        }
    }

    private async ValueTask EnterAsync(NamespaceLine space, CancellationToken cancellation)
    {
        _isInNamespace = true;
        _space = null;
        if (only is not null && space.Name != only) return;
        try
        {
            _space = store.Namespaces.Contains(space.Name)
                ? store.GetNamespace(space.Name)
                : await store.CreateNamespaceAsync(space.Name, space.Settings, cancellation).ConfigureAwait(false);
        }
        catch (ArgumentException e)
        {
            throw Malformed(e.Message);
        }
    }

    private async ValueTask AddAsync(RecordLine record, ImportWindow window, CancellationToken cancellation)
    {
        if (!_isInNamespace) throw Malformed("a record stands behind its namespace");
        _seen++;
        if (_seen % ReportedRecords == 0) progress?.Report(new ExportProgress(_seen, _lines.Consumed));
        if (_space is null)
        {
            _skipped++;
            return;
        }

        if (!TryGetTimeLeft(record, out TimeSpan? left))
        {
            _expired++;
            return;
        }

        var options = new PutOptions { PartitionKey = record.PartitionKey is { } partition ? new StoreKey(partition) : (StoreKey?)null, TimeToLive = left, Indexes = record.Indexes };
        try
        {
            await window.AddAsync(new ImportPut(_space, record.Key, record.Value, options), cancellation).ConfigureAwait(false);
        }
        catch (LimitExceededException e)
        {
            throw new LimitExceededException($"key, value or index entry on line {_lines.Line}", e.Actual, e.Limit, "the settings of the namespace");
        }
        catch (ArgumentException e)
        {
            throw Malformed(e.Message);
        }
    }

    private bool TryGetTimeLeft(RecordLine record, out TimeSpan? left)
    {
        left = null;
        if (record.Expires is not { } expires) return true;
        left = expires.Physical - store.Local.TimeProvider.GetUtcNow();
        return left > TimeSpan.Zero;
    }

    private MalformedDataException Malformed(string fault) => new(_lines.Position, $"line {_lines.Line}: {fault}");
}
