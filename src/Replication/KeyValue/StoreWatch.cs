using System.Runtime.CompilerServices;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.KeyValue;
using Tidemark.Core.State;

namespace Tidemark.Replication.KeyValue;

/// <summary>A reader of the change logs of shards that are here. It pulls: nothing is kept for it but the change logs themselves.</summary>
internal sealed class StoreWatch
{
    private const int EntriesAtOnce = 256;

    private readonly IReadOnlyList<LocalShard> _shards;
    private readonly KeyOrder _order;
    private readonly EncodedKeyRange _range;
    private readonly WatchOptions _options;
    private readonly Dictionary<long, WatchPlace> _places = [];
    private readonly Dictionary<LocalShard, Task<long>> _starts = [];   // Of those whose newest entries may be elsewhere: where they were when the watch began.
    private readonly List<StoreChange> _changes = [];

    internal StoreWatch(IReadOnlyList<LocalShard> shards, KeyOrder order, EncodedKeyRange range, WatchOptions options)
    {
        (_shards, _order, _range, _options) = (shards, order, range, options);
        foreach (LocalShard shard in shards)
        {
            shard.ThrowIfClosed();
            if (shard.IsReplicated && options.ResumeAfter is null)
                _starts[shard] = options.IncludeExisting ? shard.ReadyToReadAsync(ReadLevel.Linearizable, CancellationToken.None).AsTask() : shard.WatchFromAsync();
            _places[shard.Id] = options.ResumeAfter is { } token && !Planted.Is(PlantedBug.WatchGapAtFailover)
                ? token.PlaceOf(shard.Id) ?? new WatchPlace(-1, WatchPlace.All)   // A shard that is younger than the token: from its beginning.
                : new WatchPlace(shard.View.AppliedOffset, WatchPlace.All);
        }
    }

    /// <summary>The place behind what was told last, and behind what is of no interest after it. Not to be asked while the next event is waited for.</summary>
    internal WatchToken Token => new(_places);

    internal async IAsyncEnumerable<StoreEvent> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach ((LocalShard shard, Task<long> start) in _starts) _places[shard.Id] = new WatchPlace(await start.WaitAsync(cancellationToken).ConfigureAwait(false), WatchPlace.All);
        if (_options.IncludeExisting)
        {
            foreach (RecordScan scan in OpenScans())
            {
                using (scan)
                {
                    while (scan.MoveNext())
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        yield return Existing(new StoreRecord(_order.Decode(scan.EncodedKey), scan.Row));
                    }
                }
            }
        }

        while (true)
        {
            Task[] signals = [.. _shards.Select(shard => shard.Changed)];
            bool isAny = false;
            foreach (LocalShard shard in _shards)
            {
                if (shard.IsClosed) yield break;
                isAny |= Read(shard);
                foreach (StoreChange change in _changes)
                {
                    if (!IsWanted(change)) continue;
                    cancellationToken.ThrowIfCancellationRequested();
                    yield return ToEvent(shard, change);
                }

                if (isAny && _changes.Count > 0) _places[shard.Id] = _changes[^1].Place;
            }

            if (!isAny) await AnyAsync(signals, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Waits for one of several. A wait that is cancelled leaves nothing behind on tasks that may not complete for days.</summary>
    private static async Task AnyAsync(Task[] signals, CancellationToken cancellationToken)
    {
        if (signals.Length == 1 || !cancellationToken.CanBeCanceled)
        {
            await (signals.Length == 1 ? signals[0].WaitAsync(cancellationToken) : Task.WhenAny(signals)).ConfigureAwait(false);
            return;
        }

        using var one = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(signals.Select(signal => signal.WaitAsync(one.Token))).ConfigureAwait(false);
        await one.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Looks at all shards at once, so that the token of the first record knows the place behind the last.</summary>
    private List<RecordScan> OpenScans()
    {
        List<RecordScan> scans = [];
        foreach (LocalShard shard in _shards)
        {
            StateReader reader = shard.Open();
            _places[shard.Id] = new WatchPlace(reader.View.AppliedOffset, WatchPlace.All);
            scans.Add(new RecordScan(reader, _range, isReverse: false));
        }

        return scans;
    }

    private bool Read(LocalShard shard)
    {
        _changes.Clear();
        WatchPlace place = _places[shard.Id];
        bool isAny;
        using (StateReader reader = shard.Open()) isAny = ChangeScan.Read(reader, ref place, EntriesAtOnce, _changes);
        if (_changes.Count == 0) _places[shard.Id] = place;
        if (_options.LatestOnly) KeepLatest();
        return isAny;
    }

    /// <summary>Drops changes to a key that later ones in the same reading replace. A range delete is kept, and what came before it.</summary>
    private void KeepLatest()
    {
        var seen = new HashSet<StoreKey>();
        for (int i = _changes.Count - 1; i >= 0; i--)
        {
            StoreChange change = _changes[i];
            if (change.Kind is StoreEventKind.RangeDeleted or StoreEventKind.Compacted) seen.Clear();
            else if (!seen.Add(change.EncodedKey)) _changes.RemoveAt(i);
        }
    }

    private bool IsWanted(in StoreChange change)
    {
        if (change.Kind == StoreEventKind.Compacted) return true;
        if (change.Range is not { } deleted) return _range.Contains(change.EncodedKey);
        EncodedKeyRange other = _order.Encode(deleted);
        return IsBelow(_range.Start, other.End) && IsBelow(other.Start, _range.End);

        static bool IsBelow(ReadOnlyMemory<byte> start, ReadOnlyMemory<byte> end) => end.IsEmpty || start.Span.SequenceCompareTo(end.Span) < 0;
    }

    private StoreEvent ToEvent(LocalShard shard, in StoreChange change)
    {
        _places[shard.Id] = change.Place;
        bool isOfKey = change.Kind is StoreEventKind.Created or StoreEventKind.Modified or StoreEventKind.Deleted;
        return new StoreEvent
        {
            Kind = change.Kind,
            Key = isOfKey ? new StoreKey(_order.Decode(change.EncodedKey)) : default,
            Range = change.Range,
            Version = change.Version,
            Timestamp = change.Timestamp,
            Record = _options.IncludeValues && change.Kind is StoreEventKind.Created or StoreEventKind.Modified ? Current(shard, change) : null,
            Token = Token,
            Shard = shard.Id,
        };
    }

    private StoreRecord? Current(LocalShard shard, in StoreChange change)
    {
        if (!_options.IncludeValues) return null;
        using StateReader reader = shard.Open();
        if (KvReads.Find(reader, KeyComparison.Equal, change.EncodedKey) is not { } found) return null;
        var record = new StoreRecord(_order.Decode(change.EncodedKey), found.Row);
        return record.Version == change.Version ? record : null;
    }

    private StoreEvent Existing(StoreRecord record) => new()
    {
        Kind = StoreEventKind.Existing,
        Key = record.Key,
        Version = record.Version,
        Timestamp = record.Modified,
        Record = record,
        Token = Token,
    };
}
