using Tidemark.Core.Engines;
using Tidemark.Core.Rebase;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>What must hold of a client at any moment, and what is remembered of it to see that it does.</summary>
internal sealed class SyncLaws
{
    private readonly Dictionary<SyncHarnessClient, Seen> _seen = [];

    internal void Check(SyncHarnessClient client, string story)
    {
        LocalView view = client.View;
        var order = view.Fields.Order!;
        SortedDictionary<byte[], byte[]> confirmed = Read(view, isConfirmed: true, order), visible = Read(view, isConfirmed: false, order);

        // The visible state is the base with the timeline run over it.
        var model = new Model(confirmed, order);
        foreach (TimelineEntry mutation in view.Timeline())
        {
            var run = MutationRun.Of(client.Mutators, model, view.Fields.Client, mutation);
            foreach ((byte[] key, byte[]? value) in run.Writes)
            {
                if (value is null) model.Records.Remove(key);
                else model.Records[key] = value;
            }

            Assert.True(view.Troubles.ContainsKey(mutation.Id) == (run.End != MutationEnd.Done), $"{story}: mutation {mutation.Id} of client {client.Number} ends {run.End}");
        }

        Assert.True(Same(visible, model.Records), $"{story}: client {client.Number} shows something else than its mutations make of its base");

        // The timeline is dense, and its links are those of its mutations.
        long next = view.Fields.First;
        TimelineLink link = view.Fields.Before;
        foreach (TimelineEntry mutation in view.Timeline())
        {
            Assert.True(mutation.Id == next++, $"{story}: the timeline of client {client.Number} has a hole at {mutation.Id}");
            link = mutation.LinkAfter(link);
        }

        Assert.True(next == view.Fields.Next && link == view.Fields.Last, $"{story}: the timeline of client {client.Number} ends elsewhere than it says");

        // It begins behind what the base says is decided: nothing goes before the base has it.
        long cursor = view.Base.TryGet(LocalRows.Cursor(view.Fields.Client, view.Fields.Tables), out byte[]? decided) ? LocalRows.Number(decided) : 0;
        Assert.True(view.Fields.Question != LocalStoreQuestion.None || cursor == view.Fields.First - 1, $"{story}: the timeline of client {client.Number} begins at {view.Fields.First}, and its base has decided up to {cursor}");

        // What was told of changes folds to what is visible; and entries' times rise.
        Seen seen = _seen.TryGetValue(client, out Seen? before) ? before : new Seen(view);
        foreach (RowChange change in view.ChangesSince(seen.View, default))
        {
            Assert.True(seen.Folded.TryGetValue(change.Key, out byte[]? old) == (change.Before is not null), $"{story}: client {client.Number} is told of a change to what was not there");
            Assert.True(change.Before is null || old.AsSpan().SequenceEqual(change.Before.AsSpan(LocalRows.NumberBytes)), $"{story}: client {client.Number} is told of a change from another value");
            Assert.True(change.Before is null || change.After is null || !change.Before.AsSpan(LocalRows.NumberBytes).SequenceEqual(change.After.AsSpan(LocalRows.NumberBytes)), $"{story}: client {client.Number} is told of no change");
            if (change.After is null) seen.Folded.Remove(change.Key);
            else seen.Folded[change.Key] = change.After[LocalRows.NumberBytes..];
        }

        Assert.True(Same(seen.Folded, visible), $"{story}: what client {client.Number} was told of does not fold to what it shows");
        Assert.True(client.Replica.Machine.Position.Timestamp >= seen.Timestamp, $"{story}: the time of client {client.Number} went back");
        (seen.View, seen.Timestamp) = (view, client.Replica.Machine.Position.Timestamp);
        _seen[client] = seen;
        Assert.True(view.Fields.Content == client.Replica.Machine.SumOf(view.Fields.Tables) || client.Replica.Machine.Fields != view.Fields || seen.IsCorrupted, $"{story}: the hash of client {client.Number} is not that of its rows");
        Assert.True(client.Replica.Machine.Table.Hash == Core.State.RowSnapshot.Sum(client.Replica.Machine.Table), $"{story}: the rows of client {client.Number} have another hash");
    }

    /// <summary>From now on the client's base is not what its hash says.</summary>
    internal void Corrupted(SyncHarnessClient client)
    {
        if (_seen.TryGetValue(client, out Seen? seen)) seen.IsCorrupted = true;
    }

    /// <summary>At the end all have the server's records.</summary>
    internal static void CheckConverged(SyncHarnessClient client, NaiveServer server, string story)
    {
        Assert.True(client.Fields.Pending == 0, $"{story}: client {client.Number} has mutations pending");
        Assert.True(client.Fields.Content == server.Content, $"{story}: client {client.Number} has {client.Fields.Content}, the server {server.Content}");
        var records = new SortedDictionary<byte[], byte[]>(server.Records().ToDictionary(record => record.Key, record => record.Value.ToArray()), ByteOrder.Instance);
        Assert.True(Same(records, Read(client.View, isConfirmed: false, server.Order)), $"{story}: client {client.Number} shows other records than the server has");
    }

    internal static SortedDictionary<byte[], byte[]> Read(LocalView view, bool isConfirmed, KeyOrder order)
    {
        var records = new SortedDictionary<byte[], byte[]>(ByteOrder.Instance);
        foreach ((StoreKey key, ReadOnlyMemory<byte> value) in view.Scan(isConfirmed, default, isReverse: false)) records.Add(order.Encode(key.Span), value.ToArray());
        return records;
    }

    private static bool Same(SortedDictionary<byte[], byte[]> left, SortedDictionary<byte[], byte[]> right) =>
        left.Count == right.Count && left.Zip(right).All(pair => pair.First.Key.AsSpan().SequenceEqual(pair.Second.Key) && pair.First.Value.AsSpan().SequenceEqual(pair.Second.Value));

    private sealed class Seen(LocalView view)
    {
        internal LocalView View { get; set; } = view;

        internal SortedDictionary<byte[], byte[]> Folded { get; } = Read(view, isConfirmed: false, view.Fields.Order!);

        internal HybridTimestamp Timestamp { get; set; }

        internal bool IsCorrupted { get; set; }
    }

    private sealed class Model(SortedDictionary<byte[], byte[]> records, KeyOrder order) : IMutationSource
    {
        internal SortedDictionary<byte[], byte[]> Records { get; } = new(records, ByteOrder.Instance);

        public KeyOrder Order => order;

        public bool TryGet(ReadOnlySpan<byte> encodedKey, out ReadOnlyMemory<byte> value)
        {
            bool isThere = Records.TryGetValue(encodedKey.ToArray(), out byte[]? found);
            value = found;
            return isThere;
        }

        public IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> Scan(EncodedKeyRange range, bool isReverse)
        {
            IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> found = Records.Where(record => range.Contains(record.Key)).Select(record => new KeyValuePair<byte[], ReadOnlyMemory<byte>>(record.Key, record.Value)).ToArray();
            return isReverse ? found.Reverse() : found;
        }
    }
}
