using Tidemark.Core.KeyValue;

namespace Tidemark.Tests.KeyValue.Model;

/// <summary>Draws commands of every kind over a few keys, ids and versions, so that they meet each other; sound ones mostly, and each kind of mistake now and then.</summary>
internal sealed class CommandSource(int seed, KeyOrder order)
{
    internal static readonly Text[] Keys =
    [
        "", "/", "a", "a/", "a/b", "a/b/c", "a//", "//", "///", "/a", "/a/", "/a//b", "/a//", "b", "ab",
        new([0]), new([0, 1]), new([0, 255]), new([0xFE]), new([0xFF]), new([0xFF, 0x2F]), new([0xFE, 0xFE, 0x2F, 0xFF]), new([0x61, 0x2F, 0xFF]),
    ];

    internal static readonly Text[] Indexes = ["i", "i/", new([0x69, 0]), new([0x69, 0, 1]), new([0xFF])];

    internal static readonly Text[] IndexKeys = ["", "k", "k2", new([0]), new([0, 0xFF]), new([0x6B, 0, 1]), new([0xFF, 0xFF])];

    internal static readonly Guid[] Sessions = [.. Enumerable.Range(1, 4).Select(i => new Guid(i, 0, 0, new byte[8]))];

    internal static readonly Guid[] Clients = [.. Enumerable.Range(11, 4).Select(i => new Guid(i, 0, 0, new byte[8]))];

    private static readonly Text _longKey = new(new byte[49]), _reserved = "__tidemark/x";
    private static readonly Text _escapes = new([.. Enumerable.Repeat((byte)0xFE, 40)]);   // Short enough, but not as it is encoded.

    private readonly Random _random = new(seed);

    internal Random Random => _random;

    internal KvSettings Settings => new(
        order, MaxKeyBytes: 48, MaxValueBytes: 60, MaxBatchBytes: 700, ChangeRows: 24, ChangeBytes: 1500, ClientIdleMilliseconds: 1000, MaxClients: 3, MaxSessions: 3);

    internal ModelCommand Next(KvModel model) => _random.Next(100) switch
    {
        < 62 => NextWrite(model),
        < 70 => new OpenSession(Any(Sessions), Rarely() ? Any<long>(0, 999, 300_001) : Any<long>(1_000, 300_000), _random.Next(3) switch { 0 => null, 1 => "me", _ => Rarely() ? new Text(new byte[257]) : "" }),
        < 73 => new CloseSession(Any(Sessions)),
        < 75 => new ExpireSessions(Some(() => Any(Sessions))),
        < 84 => new ExpireRecords(order, Some(() => Existing(model) is { } record && !Rarely() ? (record.Key, record.Version) : (Any(Keys), _random.Next(5)))),
        < 92 => new RegisterClient(Any(Clients)),
        < 95 => new ForgetClients(Some(() => (Any(Clients), LastUsed(model)))),
        < 98 => new Configure(Rarely() ? Settings with { KeyOrder = order == KeyOrder.Natural ? KeyOrder.Hierarchical : KeyOrder.Natural }
            : Settings with { MaxKeyBytes = Any(48, 48, 24), ChangeRows = Any(24, 7, 0), ChangeBytes = Any<long>(1500, 300), MaxSessions = Any(3, 1), MaxClients = Any(3, 2) }),
        _ => new Nothing(),
    };

    internal T Any<T>(params T[] choices) => choices[_random.Next(choices.Length)];

    private bool Rarely() => _random.Next(12) == 0;

    private T[] Some<T>(Func<T> one) => [.. Enumerable.Range(0, _random.Next(4)).Select(_ => one())];

    private Write NextWrite(KvModel model)
    {
        int operations = _random.Next(10) switch { < 5 => 1, < 9 => _random.Next(2, 5), _ => _random.Next(0, 16) };
        Condition[] conditions = _random.Next(4) == 0 ? Some(() => new Condition(Key(model), Version(model))) : [];
        return new Write(NextOrigin(model), conditions, [.. Enumerable.Range(0, operations).Select(_ => NextOperation(model))]);
    }

    private Origin? NextOrigin(KvModel model)
    {
        if (_random.Next(3) > 0) return null;
        Guid id = Any(Clients);
        long last = model.Clients.TryGetValue(id, out ModelClient? client) ? client.Last : 0;
        long sequence = _random.Next(8) switch { 0 => Math.Max(1, last), 1 => _random.NextInt64(1, last + 2), 2 => last + 2, _ => last + 1 };
        return new Origin(id, sequence, Rarely() ? _random.NextInt64(last + 9) : Math.Max(0, last - _random.Next(4)));
    }

    private Operation NextOperation(KvModel model) => _random.Next(20) switch
    {
        < 3 => new Delete(Key(model), _random.Next(3) == 0 ? Version(model) : null),
        3 => new DeleteRange(Any(KeyRangeKind.Between, KeyRangeKind.Prefix, KeyRangeKind.Children), Rarely() ? _longKey : Any(Keys), Any(Keys)),
        _ => NextPut(model),
    };

    private Put NextPut(KvModel model)
    {
        bool isSequence = _random.Next(5) == 0;
        return new Put(isSequence && !Rarely() ? Any<Text>("s", "a/", new Text([0xFF])) : Key(model), new Text(new byte[Rarely() ? 61 : _random.Next(6)]))
        {
            ExpectedVersion = _random.Next(isSequence ? 20 : 4) == 0 ? Version(model) : null,
            Session = _random.Next(4) == 0 ? Any(Sessions) : null,
            PartitionKey = _random.Next(5) == 0 ? Any(Keys) : null,
            TimeToLive = _random.Next(4) > 0 ? null : Rarely() ? Any(0, -1, long.MaxValue, (10L * 366 * 24 * 60 * 60 * 1000) + 1) : _random.Next(1, 50),
            Indexes = _random.Next(3) > 0 ? [] : Rarely() && Rarely() ? [.. Enumerable.Repeat(((Text)"i", (Text)"k"), 65)] : Some(() => (Rarely() ? new Text([]) : Any(Indexes), Rarely() ? _longKey : Any(IndexKeys))),
            Deltas = isSequence ? _random.Next(10) switch { 0 => [], 1 => [0], 2 => [long.MaxValue], 3 => [1, -1], 4 => [1, 2], 5 => [.. Enumerable.Repeat(1L, 17)], _ => [_random.Next(1, 4)] } : null,
        };
    }

    private Text Key(KvModel model)
    {
        if (Rarely()) return Any<Text>("s-00000000000000000001", "s-00000000000000000004", "s-00000000000000000009");   // What a sequence may come to.
        if (Rarely()) return Any(_longKey, _reserved, _escapes, "__tidemark", new Text(new byte[41]), new Text(new byte[48]));
        return _random.Next(3) == 0 && Existing(model) is { } record ? record.Key : Any(Keys);
    }

    private long Version(KvModel model) => _random.Next(4) switch
    {
        0 => 0,
        1 => Any<long>(-1, 1, long.MaxValue, long.MinValue),
        _ => Existing(model)?.Version ?? 0,
    };

    private ModelRecord? Existing(KvModel model) => model.Records.Count == 0 ? null : model.Records.Values.ElementAt(_random.Next(model.Records.Count));

    private HybridTimestamp? LastUsed(KvModel model) => _random.Next(3) switch
    {
        0 => null,
        1 => default(HybridTimestamp),
        _ => model.Clients.Count == 0 ? null : model.Clients.Values.ElementAt(_random.Next(model.Clients.Count)).LastUsed,
    };
}
