using System.Buffers.Binary;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>The server as simply as it can be said: a dictionary of rows, a list of what changed, a list of what was decided. What clients come to is compared with it.</summary>
internal sealed class NaiveServer(Mutators mutators, KeyOrder order) : ISyncServer, IMutationSource
{
    private readonly Lock _gate = new();   // Tests of threads ask it from theirs.
    private Guid _log = Guid.NewGuid();
    private SortedDictionary<byte[], (long Number, byte[] Value)> _rows = new(ByteOrder.Instance);   // By row key.
    private Dictionary<long, StateHash> _hashes = new() { [-1] = default };                          // By offset.
    private List<(long Offset, byte[] RowKey)> _changes = [];
    private Dictionary<(Guid Client, long Mutation), SyncRejection> _rejections = [];
    private HashSet<Guid> _clients = [];
    private Dictionary<(Guid, long), int> _attempts = [];
    private long _offset = -1, _trimmed = -1, _version;
    private ulong _horizon;

    internal Mutators Mutators { get; set; } = mutators;

    /// <summary>How many rows an answer to a copy that is not whole has behind the bound; and, where that is so, how many to one that is.</summary>
    internal int PageRows { get; set; } = 1_000;

    internal bool AnswersInParts { get; set; }

    internal int DownloadsBegun { get; private set; }

    /// <summary>What was decided, in order.</summary>
    internal List<(Guid Client, TimelineEntry Mutation, MutationRun Run)> Decided { get; private set; } = [];

    internal StateHash Content => _hashes[_offset];

    internal long Offset => _offset;

    public KeyOrder Order => order;

    public SyncAnswer Answer(SyncPull pull)
    {
        using Lock.Scope turn = _gate.EnterScope();
        if (IsUnknown(pull.Client)) return new SyncReset(SyncResetReason.ClientUnknown);
        long from = pull.Position?.Offset ?? -1;
        if (pull.Position is null) DownloadsBegun++;
        if (from > _offset) return new SyncReset(SyncResetReason.Ahead);
        if (pull.Position is not null && from < _trimmed) return new SyncReset(SyncResetReason.TooOld);
        if (pull.Position is { } position && _hashes[from] != position.Content) return new SyncReset(SyncResetReason.Diverged);
        byte[] bound = pull.Bound ?? [0xFF];
        var keys = new SortedSet<byte[]>(_changes.Where(change => change.Offset > from && change.RowKey.AsSpan().SequenceCompareTo(bound) <= 0).Select(change => change.RowKey), ByteOrder.Instance);
        byte[]? reached = null;
        if (pull.Bound is not null)
        {
            byte[][] behind = [.. _rows.Keys.Where(key => key.AsSpan().SequenceCompareTo(bound) > 0).Take(PageRows + 1)];
            keys.UnionWith(behind.Take(PageRows));
            if (behind.Length > PageRows) reached = behind[PageRows - 1];
        }
        else if (AnswersInParts && keys.Count > PageRows)
        {
            reached = keys.ElementAt(PageRows - 1);
            keys = new SortedSet<byte[]>(keys.Take(PageRows), ByteOrder.Instance);
        }

        SyncRow[] rows = [.. keys.Select(key => _rows.TryGetValue(key, out (long Number, byte[] Value) row) ? new SyncRow(key, row.Number, row.Value) : new SyncRow(key, 0, null))];
        SyncRejection[] rejections = [.. _rejections.Where(one => one.Key.Client == pull.Client).Select(one => one.Value)];
        return new SyncChanges(new SyncPosition(_log, _offset, Content), default, reached, _rows.Count, [], rows, rejections);
    }

    public SyncPushed Answer(SyncPush push)
    {
        using Lock.Scope turn = _gate.EnterScope();
        if (IsUnknown(push.Client)) return new SyncPushed(0, SyncRefusal.ClientUnknown, null);
        _clients.Add(push.Client);
        (long cursor, TimelineLink at) = Cursor(push.Client);
        if (push.Mutations[0].Id > cursor + 1) return new SyncPushed(cursor, SyncRefusal.Gap, null);
        foreach ((Guid client, long mutation) in _rejections.Keys.Where(key => key.Client == push.Client && key.Mutation <= push.Floor).ToArray()) _rejections.Remove((client, mutation));
        TimelineLink link = push.Before;
        if (push.Mutations[0].Id == cursor + 1 && link != at) return new SyncPushed(cursor, SyncRefusal.Forked, null);
        foreach (TimelineEntry mutation in push.Mutations)
        {
            link = mutation.LinkAfter(link);
            if (mutation.Id == cursor && link != at) return new SyncPushed(cursor, SyncRefusal.Forked, null);
            if (mutation.Id <= cursor) continue;
            if (Decide(push.Client, mutation, link) is { } refusal) return new SyncPushed(mutation.Id - 1, SyncRefusal.Delayed, refusal);
        }

        return new SyncPushed(push.Mutations[^1].Id, SyncRefusal.None, null);
    }

    public bool TryGet(ReadOnlySpan<byte> encodedKey, out ReadOnlyMemory<byte> value)
    {
        bool isThere = _rows.TryGetValue(RowKeys.Record(encodedKey), out (long Number, byte[] Value) row);
        value = row.Value;
        return isThere;
    }

    public IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> Scan(EncodedKeyRange range, bool isReverse)
    {
        IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> found = Records().Where(record => range.Contains(record.Key));
        return isReverse ? found.Reverse() : found;
    }

    /// <summary>All records, by encoded key.</summary>
    internal IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> Records() =>
        _rows.Where(row => row.Key[0] == (byte)RowTable.Record).Select(row => new KeyValuePair<byte[], ReadOnlyMemory<byte>>(row.Key[1..], row.Value.Value)).ToArray();

    internal (long Cursor, TimelineLink Link) Cursor(Guid client) =>
        _rows.TryGetValue(RowKeys.SyncCursor(client.ToByteArray(bigEndian: true)), out (long Number, byte[] Value) row) ? (row.Number, TimelineLink.Read(row.Value)) : default;

    /// <summary>Writes a record that no client asked for.</summary>
    internal void Put(StoreKey key, byte[]? value)
    {
        using Lock.Scope turn = _gate.EnterScope();
        _offset++;
        Set(RowKeys.Record(order, key.Span), value is null ? null : (++_version, value));
        EndEntry();
    }

    /// <summary>Forgets a client, and all that are as old and have never brought anything.</summary>
    internal void Forget(Guid client)
    {
        using Lock.Scope turn = _gate.EnterScope();
        _offset++;
        _clients.Remove(client);
        Set(RowKeys.SyncCursor(client.ToByteArray(bigEndian: true)), null);
        foreach ((Guid, long) key in _rejections.Keys.Where(key => key.Client == client).ToArray()) _rejections.Remove(key);
        _horizon = Math.Max(_horizon, BinaryPrimitives.ReadUInt64BigEndian(client.ToByteArray(bigEndian: true)));
        EndEntry();
    }

    /// <summary>Lets go of what changed up to now.</summary>
    internal void Trim()
    {
        _trimmed = _offset;
        _changes = [];
    }

    /// <summary>Cuts its log, which is entries among the others that change nothing.</summary>
    internal void Cut()
    {
        using Lock.Scope turn = _gate.EnterScope();
        for (int entries = 0; entries < 3; entries++)
        {
            _offset++;
            EndEntry();
        }
    }

    /// <summary>All there is, to go back to it.</summary>
    internal Action Save()
    {
        var rows = new SortedDictionary<byte[], (long, byte[])>(_rows, ByteOrder.Instance);
        (Dictionary<long, StateHash> hashes, List<(long, byte[])> changes, Dictionary<(Guid, long), SyncRejection> rejections) = (new(_hashes), [.. _changes], new(_rejections));
        (HashSet<Guid> clients, List<(Guid, TimelineEntry, MutationRun)> decided) = ([.. _clients], [.. Decided]);
        (long offset, long trimmed, long version, ulong horizon) = (_offset, _trimmed, _version, _horizon);
        return () =>
        {
            (_rows, _hashes, _changes, _rejections) = (new(rows, ByteOrder.Instance), new(hashes), [.. changes], new(rejections));
            (_clients, Decided, _attempts) = ([.. clients], [.. decided], []);
            (_offset, _trimmed, _version, _horizon) = (offset, trimmed, version, horizon);
            _log = Guid.NewGuid();
        };
    }

    private bool IsUnknown(Guid client) => !_clients.Contains(client) && BinaryPrimitives.ReadUInt64BigEndian(client.ToByteArray(bigEndian: true)) <= _horizon;

    /// <returns>Why it could not be decided; null if it was.</returns>
    private string? Decide(Guid client, TimelineEntry mutation, TimelineLink link)
    {
        var run = MutationRun.Of(Mutators, this, client, mutation);
        if (run.End is MutationEnd.NotKnown or MutationEnd.Transient) return run.Text;
        if (run.End == MutationEnd.Faulted)
        {
            int attempts = _attempts[(client, mutation.Id)] = _attempts.GetValueOrDefault((client, mutation.Id)) + 1;
            if (attempts < 3) return run.Text;
        }

        _offset++;
        foreach ((byte[] key, byte[]? value) in run.Writes)
        {
            if (value is not null || TryGet(key, out _)) Set(RowKeys.Record(key), value is null ? null : (++_version, value));
        }

        if (run.End != MutationEnd.Done) _rejections[(client, mutation.Id)] = new SyncRejection(mutation.Id, run.Code ?? "poison", run.Text);
        byte[] after = new byte[TimelineLink.Bytes];
        link.Write(after);
        Set(RowKeys.SyncCursor(client.ToByteArray(bigEndian: true)), (mutation.Id, after));
        Decided.Add((client, mutation, run));
        EndEntry();
        return null;
    }

    private void Set(byte[] rowKey, (long Number, byte[] Value)? row)
    {
        if (row is { } written) _rows[rowKey] = written;
        else _rows.Remove(rowKey);
        _changes.Add((_offset, rowKey));
    }

    /// <summary>The hash is summed from nothing each time.</summary>
    private void EndEntry()
    {
        StateHash sum = default;
        foreach ((byte[] key, (long number, byte[] value)) in _rows)
        {
            byte[] row = new byte[sizeof(long) + value.Length];
            BinaryPrimitives.WriteInt64LittleEndian(row, number);
            value.CopyTo(row, sizeof(long));
            sum = key[0] == (byte)RowTable.Record ? sum.With(key.AsSpan(1), number, value) : sum.With(key, row);
        }

        _hashes[_offset] = sum;
    }
}
