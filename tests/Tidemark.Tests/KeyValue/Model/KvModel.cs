using Tidemark.Core.KeyValue;

namespace Tidemark.Tests.KeyValue.Model;

/// <summary>
/// What a key-value shard is by its format page, in the plainest words: dictionaries, lists, and a copy of everything where something may have to be undone.
/// It shares no code with the machine but the settings, and knows nothing of rows, hashes or encodings.
/// </summary>
internal sealed class KvModel(KeyOrder order)
{
    private const long MaxTimeToLive = 10L * 366 * 24 * 60 * 60 * 1000;

    private readonly Dictionary<Text, long[]> _sequences = [];
    private List<ModelChange> _entry = [];
    private StatePosition _position;

    internal ModelKeys Keys { get; } = new(order);

    internal KeyOrder Order => order;

    internal KvSettings? Settings { get; private set; }

    internal SortedDictionary<Text, ModelRecord> Records { get; private set; } = new(new ModelKeys(order));

    internal Dictionary<Guid, ModelSession> Sessions { get; } = [];

    internal Dictionary<Guid, ModelClient> Clients { get; } = [];

    internal List<ModelEntry> Changes { get; } = [];

    internal long LastVersion { get; private set; }

    /// <summary>The sum over all records.</summary>
    internal StateHash Content
    {
        get
        {
            StateHash content = default;
            foreach (ModelRecord record in Records.Values) content = content.With(order.Encode(record.Key.Bytes), record.Version, record.Value.Bytes);
            return content;
        }
    }

    /// <summary>The last entry whose changes were let go; -1 for none.</summary>
    internal long TrimmedTo { get; private set; } = -1;

    /// <summary>How many rows the machine must have for this, the header aside.</summary>
    internal long RowCount => Records.Count + Records.Values.Sum(record => record.Indexes.Distinct().Count() + (record.Session is null ? 0 : 1) + (record.Expires is null ? 0 : 1))
        + Sessions.Count + Clients.Count + Clients.Values.Sum(client => client.Outcomes.Count) + _sequences.Count
        + Changes.Count + (TrimmedTo < 0 ? 0 : 1) + (Settings is null ? 0 : 1);

    internal ModelAnswer Apply(ModelCommand command, int payloadBytes, StatePosition position)
    {
        _position = position;
        _entry = [];
        ModelAnswer answer = command switch
        {
            Nothing => Plain(StoreStatus.Ok),
            Configure configure => Plain(Configured(configure.Settings)),
            _ when Settings is null => Plain(StoreStatus.SettingsRefused),
            Write write => Written(write, payloadBytes),
            OpenSession open => Plain(Opened(open)),
            CloseSession close => Plain(Closed(close.Session)),
            ExpireSessions expire => Each(expire.Sessions, session => Closed(session)),
            ExpireRecords expire => Each(expire.Records, record => Expired(record.Key, record.Version)),
            RegisterClient register => Plain(Registered(register.Client)),
            ForgetClients forget => Each(forget.Clients, client => Forgotten(client.Client, client.LastUsed)),
            _ => throw new ArgumentException($"no rule for {command}", nameof(command)),
        };
        EndEntry();
        return answer;
    }

    private ModelAnswer Plain(StoreStatus status) => new(status, status == StoreStatus.Ok ? -1 : 0, _position.Timestamp, []);

    private ModelAnswer Each<T>(T[] items, Action<T> act)
    {
        foreach (T item in items) act(item);
        return Plain(StoreStatus.Ok);
    }

    private StoreStatus Configured(KvSettings settings)
    {
        if (settings.KeyOrder != order) return StoreStatus.SettingsRefused;
        Settings = settings;
        return StoreStatus.Ok;
    }

    private ModelAnswer Written(Write write, int payloadBytes)
    {
        if (write.Origin is not { } origin) return Run(write, payloadBytes);
        if (!Clients.TryGetValue(origin.Client, out ModelClient? client)) return Plain(StoreStatus.ClientNotFound);
        if (origin.Sequence > client.Last + 1) return Plain(StoreStatus.SequenceGap);
        if (origin.Sequence <= client.Last) return client.Outcomes.TryGetValue(origin.Sequence, out ModelAnswer? kept) ? kept : Plain(StoreStatus.OutcomeForgotten);

        ModelAnswer answer = Run(write, payloadBytes);
        long floor = Math.Max(client.Floor, Math.Min(origin.Floor, origin.Sequence));
        client.Outcomes.Add(origin.Sequence, answer);
        foreach (long sequence in client.Outcomes.Keys.Where(sequence => sequence < floor).ToArray()) client.Outcomes.Remove(sequence);
        Clients[origin.Client] = client with { Last = origin.Sequence, Floor = floor, LastUsed = _position.Timestamp };
        return answer;
    }

    /// <summary>All of it, or nothing: what was there before is put back.</summary>
    private ModelAnswer Run(Write write, int payloadBytes)
    {
        if (payloadBytes > Settings!.MaxBatchBytes) return Plain(StoreStatus.BatchTooLong);
        for (int i = 0; i < write.Conditions.Length; i++)
        {
            (Text key, long expected) = write.Conditions[i];
            long found = VersionOf(key);
            bool holds = expected == -1 ? found != 0 : expected == found;
            if (!holds) return new ModelAnswer(StoreStatus.VersionMismatch, i, _position.Timestamp, [new ModelResult(StoreStatus.VersionMismatch, found, null, 0)]);
        }

        var recordsBefore = new SortedDictionary<Text, ModelRecord>(Records, Keys);
        var sequencesBefore = _sequences.ToArray();
        long versionBefore = LastVersion;
        List<ModelResult> results = [];
        foreach (Operation operation in write.Operations)
        {
            ModelResult result = operation switch
            {
                Put { Deltas: null } put => PutAt(put.Key, put),
                Put put => PutNext(put),
                Delete delete => Deleted(delete),
                DeleteRange range => Deleted(range),
                _ => throw new ArgumentException($"no rule for {operation}", nameof(write)),
            };
            if (result.Status is StoreStatus.Ok or StoreStatus.NotFound)
            {
                results.Add(result);
                continue;
            }

            Records = recordsBefore;
            _sequences.Clear();
            foreach ((Text prefix, long[] parts) in sequencesBefore) _sequences.Add(prefix, parts);
            LastVersion = versionBefore;
            _entry.Clear();
            return new ModelAnswer(result.Status, write.Conditions.Length + results.Count, _position.Timestamp, [result]);
        }

        return new ModelAnswer(StoreStatus.Ok, -1, _position.Timestamp, results);
    }

    private ModelResult PutAt(Text key, Put put, Text? made = null)
    {
        StoreStatus limits = CheckPut(put);
        if (limits != StoreStatus.Ok) return Refused(limits);
        if (put.Session is { } session && !Sessions.ContainsKey(session)) return Refused(StoreStatus.SessionNotFound);
        if (put.Indexes.Length > 64 || put.Indexes.Any(entry => !Fits(entry, key))) return Refused(StoreStatus.IndexEntryRefused);
        long found = VersionOf(key);
        if (put.ExpectedVersion is { } expected && expected != found) return Refused(StoreStatus.VersionMismatch, found);

        HybridTimestamp now = _position.Timestamp;
        ModelRecord? old = Records.GetValueOrDefault(key);
        Records[key] = new ModelRecord(key, put.Value, ++LastVersion, old is null ? 0 : old.Modifications + 1, old is null ? now : old.Created, now)
        {
            Session = put.Session,
            Identity = put.Session is { } owner ? Sessions[owner].Identity : null,
            PartitionKey = put.PartitionKey,
            Expires = put.TimeToLive is { } time ? HybridTimestamp.FromParts(now.UnixMicroseconds + (time * 1000), 0) : null,
            Indexes = put.Indexes,
        };
        _entry.Add(new ModelChange(old is null ? StoreEventKind.Created : StoreEventKind.Modified, key, LastVersion, null));
        return new ModelResult(StoreStatus.Ok, LastVersion, made, 0);
    }

    private ModelResult PutNext(Put put)
    {
        StoreStatus limits = CheckPut(put);
        if (limits != StoreStatus.Ok) return Refused(limits);
        long[] deltas = put.Deltas!;
        long[] last = _sequences.GetValueOrDefault(put.Key, []);
        if (put.ExpectedVersion is not null || deltas.Length is 0 or > 16 || deltas[0] <= 0) return Refused(StoreStatus.SequenceMalformed);
        if (deltas.Length < last.Length) return Refused(StoreStatus.SequenceTooShort);
        Int128[] next = [.. deltas.Select((delta, i) => (Int128)delta + (i < last.Length ? last[i] : 0))];
        if (deltas.Any(delta => delta < 0) || next.Any(part => part > long.MaxValue)) return Refused(StoreStatus.SequenceMalformed);
        Text key = new([.. put.Key.Bytes, .. next.SelectMany(part => System.Text.Encoding.ASCII.GetBytes("-" + part.ToString("D20")))]);
        StoreStatus keyStatus = CheckKey(key);
        if (keyStatus != StoreStatus.Ok) return Refused(keyStatus);
        if (Records.TryGetValue(key, out ModelRecord? taken)) return new ModelResult(StoreStatus.KeyTaken, taken.Version, key, 0);
        ModelResult result = PutAt(key, put, made: key);
        if (result.Status == StoreStatus.Ok) _sequences[put.Key] = [.. next.Select(part => (long)part)];
        return result;
    }

    private ModelResult Deleted(Delete delete)
    {
        StoreStatus limits = CheckKey(delete.Key);
        if (limits != StoreStatus.Ok) return Refused(limits);
        long found = VersionOf(delete.Key);
        if (delete.ExpectedVersion is { } expected && expected != found) return Refused(StoreStatus.VersionMismatch, found);
        if (found == 0) return new ModelResult(StoreStatus.NotFound, 0, null, 0);
        Expired(delete.Key, found);
        return new ModelResult(StoreStatus.Ok, found, null, 1);
    }

    private ModelResult Deleted(DeleteRange range)
    {
        if (range.Start.Bytes.Length > Settings!.MaxKeyBytes || range.End.Bytes.Length > Settings.MaxKeyBytes) return Refused(StoreStatus.KeyTooLong);
        if (Keys.Holds(range.Kind, range.Start, range.End, "") is null) return Refused(StoreStatus.RangeRefused);
        Text[] held = [.. Records.Keys.Where(key => Keys.Holds(range.Kind, range.Start, range.End, key) == true)];
        foreach (Text key in held) Records.Remove(key);
        if (held.Length == 0) return new ModelResult(StoreStatus.NotFound, 0, null, 0);
        _entry.Add(new ModelChange(StoreEventKind.RangeDeleted, null, 0, range));
        return new ModelResult(StoreStatus.Ok, 0, null, held.Length);
    }

    private void Expired(Text key, long version)
    {
        if (VersionOf(key) != version || version == 0) return;
        Records.Remove(key);
        _entry.Add(new ModelChange(StoreEventKind.Deleted, key, version, null));
    }

    private StoreStatus Opened(OpenSession open)
    {
        if (open.Timeout is < 1_000 or > 300_000 || open.Identity?.Bytes.Length > 256) return StoreStatus.SessionRefused;
        if (Sessions.ContainsKey(open.Session)) return StoreStatus.Ok;
        if (Sessions.Count >= Settings!.MaxSessions) return StoreStatus.TooManySessions;
        Sessions.Add(open.Session, new ModelSession(open.Timeout, open.Identity?.Bytes.Length > 0 ? open.Identity : null));   // Nobody's name is no name.
        return StoreStatus.Ok;
    }

    private StoreStatus Closed(Guid session)
    {
        if (!Sessions.Remove(session)) return StoreStatus.SessionNotFound;
        foreach (ModelRecord record in Records.Values.Where(record => record.Session == session).ToArray()) Expired(record.Key, record.Version);
        return StoreStatus.Ok;
    }

    private StoreStatus Registered(Guid client)
    {
        if (Clients.ContainsKey(client)) return StoreStatus.Ok;
        if (Clients.Count >= Settings!.MaxClients) return StoreStatus.TooManyClients;
        Clients.Add(client, new ModelClient(0, 1, _position.Timestamp, []));
        return StoreStatus.Ok;
    }

    private void Forgotten(Guid client, HybridTimestamp? lastUsed)
    {
        if (Clients.TryGetValue(client, out ModelClient? found) && (lastUsed is null || lastUsed == found.LastUsed)) Clients.Remove(client);
    }

    /// <summary>An entry that changed records leaves its changes; when there are too many of them the oldest eighth goes.</summary>
    private void EndEntry()
    {
        if (_entry.Count == 0) return;
        StateHash content = Content;
        object?[] row = [_position.Timestamp.Value, content.Low, content.High, content.Rows, .. _entry.Select(change => change.Range is { } range
            ? new object?[] { 4L, (long)range.Kind, range.Start.Bytes, range.End.Bytes }
            : [(long)change.Kind, order.Encode(change.Key!.Bytes), change.Version])];
        Changes.Add(new ModelEntry(_position.Offset, _position.Timestamp, _entry, ModelBytes.Pack(row).Length));
        long bytes = Settings!.ChangeBytes;
        int rows = Settings.ChangeRows;
        if (Changes.Count <= rows && Changes.Sum(entry => entry.Bytes) <= bytes) return;
        while (Changes.Count > 0 && (Changes.Count > rows - (rows / 8) || Changes.Sum(entry => entry.Bytes) > bytes - (bytes / 8)))
        {
            TrimmedTo = Changes[0].Offset;
            Changes.RemoveAt(0);
        }
    }

    private long VersionOf(Text key) => Records.TryGetValue(key, out ModelRecord? record) ? record.Version : 0;

    private StoreStatus CheckPut(Put put)
    {
        StoreStatus key = CheckKey(put.Key);
        if (key != StoreStatus.Ok) return key;
        if (put.Value.Bytes.Length > Settings!.MaxValueBytes) return StoreStatus.ValueTooLong;
        return put.TimeToLive is <= 0 or > MaxTimeToLive ? StoreStatus.TimeToLiveRefused : StoreStatus.Ok;
    }

    private StoreStatus CheckKey(Text key)
    {
        if (key.Bytes.Length > Settings!.MaxKeyBytes || Keys.EncodedLength(key) > Settings.MaxKeyBytes + 14) return StoreStatus.KeyTooLong;
        return key.Bytes.AsSpan().StartsWith("__tidemark/"u8) ? StoreStatus.ReservedKey : StoreStatus.Ok;
    }

    /// <summary>The row's key: a table byte, name and key with each 00 doubled and two bytes behind, then the encoded key.</summary>
    private bool Fits((Text Index, Text Key) entry, Text key)
    {
        int length = 1 + Part(entry.Index) + Part(entry.Key) + Keys.EncodedLength(key);
        return entry.Index.Bytes.Length > 0 && length <= Settings!.MaxKeyBytes + 31;

        static int Part(Text part) => part.Bytes.Length + part.Bytes.Count(value => value == 0) + 2;
    }

    private static ModelResult Refused(StoreStatus status, long found = 0) => new(status, found, null, 0);
}
