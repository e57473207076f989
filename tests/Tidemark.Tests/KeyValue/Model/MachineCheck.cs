using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;

namespace Tidemark.Tests.KeyValue.Model;

/// <summary>Looks at a machine in every way there is, and compares with what the model says.</summary>
internal static class MachineCheck
{
    private static readonly KeyComparison[] _comparisons = Enum.GetValues<KeyComparison>();

    internal static string Read(ReadOnlySpan<byte> answer)
    {
        KvAnswer read = KvAnswer.Read(answer);
        return new ModelAnswer(read.Status, read.Index, read.Timestamp,
            [.. read.Results.Select(result => new ModelResult(result.Status, result.Version, result.Key is null ? null : new Text(result.Key), result.Count))]).ToString();
    }

    /// <summary>What costs little: counters and sums.</summary>
    internal static void Sums(KvMachine machine, KvModel model)
    {
        Assert.Equal(machine.ComputeHash(), machine.Hash);
        Assert.Equal(model.RowCount, machine.Hash.Rows);
        Assert.Equal(new KvCounters(model.LastVersion, model.Changes.Count, model.Changes.Sum(entry => entry.Bytes), model.Sessions.Count, model.Clients.Count, 0), machine.Counters);
        Assert.Equal(model.Settings, machine.Settings);
        Assert.Equal(model.Content, machine.ContentHash);
    }

    /// <summary>Every question a reader may ask, over all keys of the command source.</summary>
    internal static void Reads(KvMachine machine, KvModel model, Random random)
    {
        machine.Table.Publish(machine.Position.Offset);
        using StateReader reader = StateReader.Open(machine.Table);
        foreach (Text key in CommandSource.Keys)
        {
            foreach (KeyComparison comparison in _comparisons)
            {
                ModelRecord? expected = Nearest(model.Records.Values, record => model.Keys.Compare(record.Key, key), comparison);
                (byte[] EncodedKey, ReadOnlyMemory<byte> Row)? found = KvReads.Find(reader, comparison, model.Order.Encode(key.Bytes));
                Assert.Equal(expected?.ToString(), found is { } row ? Show(model, row.EncodedKey, row.Row) : null);
            }
        }

        foreach (KeyRangeKind kind in Enum.GetValues<KeyRangeKind>())
        {
            foreach (Text start in (Text[])["", .. random.GetItems(CommandSource.Keys, 3)])
                foreach (Text end in (Text[])["", .. random.GetItems(CommandSource.Keys, 2)]) Scan(reader, model, kind, start, end);
        }

        foreach (Text index in CommandSource.Indexes) Index(reader, model, index, random);
        Assert.Equal(
            model.Sessions.Select(session => (session.Key, session.Value.Timeout)).OrderBy(session => session.Key).ToArray(),
            machine.Sessions.All().OrderBy(session => session.Session).ToArray());
        Clients(reader, machine, model, random);
        Times(machine, model, random);
        for (int i = 0; i < 4; i++) ReadChanges(reader, model, machine.Position.Offset, random);
    }

    private static void Scan(in StateReader reader, KvModel model, KeyRangeKind kind, Text start, Text end)
    {
        KeyRange.TryCreate((int)kind, start.Bytes, end.Bytes, out KeyRange? range);
        bool hasMeaning = model.Order.TryEncode(range!, out EncodedKeyRange encoded);
        Assert.Equal(model.Keys.Holds(kind, start, end, "") is not null, hasMeaning);
        if (!hasMeaning) return;
        string[] expected = [.. model.Records.Values.Where(record => model.Keys.Holds(kind, start, end, record.Key) == true).Select(record => record.ToString())];
        foreach (bool isReverse in (bool[])[false, true])
        {
            var scan = new RecordScan(reader, encoded, isReverse);   // Not disposed: the reader is shared by all looks.
            List<string> found = [];
            while (scan.MoveNext()) found.Add(Show(model, scan.EncodedKey, scan.Row));
            Assert.Equal(isReverse ? expected.Reverse() : expected, found);
        }
    }

    private static void Index(in StateReader reader, KvModel model, Text index, Random random)
    {
        var entries = model.Records.Values
            .SelectMany(record => record.Indexes.Where(entry => entry.Index == index).Select(entry => entry.Key).Distinct().Select(key => (Key: key, Record: record)))
            .OrderBy(entry => entry.Key, new ModelKeys(KeyOrder.Natural)).ThenBy(entry => entry.Record.Key, model.Keys).ToList();
        var natural = new ModelKeys(KeyOrder.Natural);
        foreach (Text key in CommandSource.IndexKeys)
        {
            foreach (KeyComparison comparison in _comparisons)
            {
                var expected = Nearest(entries, entry => natural.Compare(entry.Key, key), comparison);
                (byte[] IndexKey, byte[] EncodedKey, ReadOnlyMemory<byte> Row)? found = KvReads.Find(reader, comparison, index.Bytes, key.Bytes);
                Assert.Equal(
                    expected.Record is null ? null : expected.Key + " " + expected.Record,
                    found is { } row ? new Text(row.IndexKey) + " " + Show(model, row.EncodedKey, row.Row) : null);
            }
        }

        (Text start, Text end) = (random.GetItems(CommandSource.IndexKeys, 1)[0], random.GetItems(CommandSource.IndexKeys, 1)[0]);
        string[] between = [.. entries.Where(entry => natural.Compare(entry.Key, start) >= 0 && (end.Bytes.Length == 0 || natural.Compare(entry.Key, end) < 0))
            .Select(entry => entry.Key + " " + entry.Record)];
        foreach (bool isReverse in (bool[])[false, true])
        {
            var scan = new IndexScan(reader, index.Bytes, start.Bytes, end.Bytes, isReverse);
            List<string> found = [];
            while (scan.MoveNext()) found.Add(new Text(scan.IndexKey) + " " + Show(model, scan.EncodedKey, scan.Row));
            Assert.Equal(isReverse ? between.Reverse() : between, found);
        }
    }

    private static void Clients(in StateReader reader, KvMachine machine, KvModel model, Random random)
    {
        foreach (Guid id in CommandSource.Clients)
        {
            model.Clients.TryGetValue(id, out ModelClient? client);
            for (long sequence = 1; sequence <= (client?.Last ?? 0) + 1; sequence++)
            {
                ModelAnswer? kept = client?.Outcomes.GetValueOrDefault(sequence);
                StoreStatus expected = client is null ? StoreStatus.ClientNotFound
                    : sequence > client.Last ? StoreStatus.NotFound : kept is null ? StoreStatus.OutcomeForgotten : StoreStatus.Ok;
                Assert.Equal(expected, ClientTable.FindOutcome(reader, id, sequence, out ReadOnlyMemory<byte> answer));
                if (kept is not null) Assert.Equal(kept.ToString(), Read(answer.Span));
            }
        }

        HybridTimestamp since = Around(machine.Position.Timestamp, random);
        Assert.Equal(
            model.Clients.Where(client => client.Value.LastUsed.Value < since.Value).Select(client => (client.Key, client.Value.LastUsed)).OrderBy(client => client.Key),
            machine.Clients.IdleSince(since, 100).OrderBy(client => client.Client));
    }

    private static void Times(KvMachine machine, KvModel model, Random random)
    {
        HybridTimestamp now = Around(machine.Position.Timestamp, random);
        ModelRecord[] ending = [.. model.Records.Values.Where(record => record.Expires is not null).OrderBy(record => record.Expires!.Value.Value).ThenBy(record => record.Key, model.Keys)];
        Assert.Equal(ending.FirstOrDefault()?.Expires, machine.NextExpiry);
        Assert.Equal(
            ending.Where(record => record.Expires!.Value.Value <= now.Value).Select(record => $"{record.Key} {record.Version}"),
            machine.DueRecords(now, 1000).Select(due => $"{new Text(model.Order.Decode(due.EncodedKey))} {due.Version}"));
    }

    /// <summary>Reads from a random place to the end, a few entries at a time.</summary>
    private static void ReadChanges(in StateReader reader, KvModel model, long last, Random random)
    {
        var place = new WatchPlace(random.NextInt64(-1, last + 2), random.Next(3) == 0 ? random.Next(4) : WatchPlace.All);
        List<string> expected = [];
        bool isLost = place.Offset < model.TrimmedTo || (place.Offset == model.TrimmedTo && place.Seen != WatchPlace.All);
        if (isLost) expected.Add($"{StoreEventKind.Compacted}   0 {default(HybridTimestamp)}");
        foreach (ModelEntry entry in model.Changes.Where(entry => isLost || entry.Offset >= place.Offset))
        {
            int seen = entry.Offset == place.Offset && !isLost ? place.Seen : 0;
            expected.AddRange(entry.Changes.Skip(seen).Select(change => $"{change.Kind} {change.Key} {change.Range} {change.Version} {entry.Timestamp}"));
        }

        List<StoreChange> found = [];
        while (ChangeScan.Read(reader, ref place, random.Next(1, 4), found))
        {
        }

        Assert.Equal(expected, found.Select(change =>
            $"{change.Kind} {(change.EncodedKey.Length == 0 && change.Version == 0 ? null : new Text(model.Order.Decode(change.EncodedKey)))} "
            + $"{(change.Range is { } range ? new DeleteRange(range.Kind, new Text(range.Start.ToArray()), new Text(range.End.ToArray())) : null)} {change.Version} {change.Timestamp}"));
    }

    private static T? Nearest<T>(IEnumerable<T> ordered, Func<T, int> compare, KeyComparison comparison) => comparison switch
    {
        KeyComparison.Equal => ordered.FirstOrDefault(item => compare(item) == 0),
        KeyComparison.Floor => ordered.LastOrDefault(item => compare(item) <= 0),
        KeyComparison.Ceiling => ordered.FirstOrDefault(item => compare(item) >= 0),
        KeyComparison.Lower => ordered.LastOrDefault(item => compare(item) < 0),
        _ => ordered.FirstOrDefault(item => compare(item) > 0),
    };

    private static string Show(KvModel model, ReadOnlySpan<byte> encodedKey, ReadOnlyMemory<byte> row)
    {
        var record = new StoreRecord(model.Order.Decode(encodedKey), row);
        var shown = new ModelRecord(new Text(record.Key.Span.ToArray()), new Text(record.Value.ToArray()), record.Version, record.Modifications, record.Created, record.Modified)
        {
            Session = record.SessionId,
            Identity = record.ClientIdentity is { } identity ? identity : (Text?)null,
            PartitionKey = record.PartitionKey is { } key ? new Text(key.Span.ToArray()) : null,
            Expires = record.Expires,
            Indexes = [.. record.Indexes.Select(entry => (new Text(entry.Index.Span.ToArray()), new Text(entry.Key.Span.ToArray())))],
        };
        return shown.ToString();
    }

    private static HybridTimestamp Around(HybridTimestamp now, Random random) => new(now.Value + (ulong)random.Next(60_000 << 12) - (30_000UL << 12));
}
