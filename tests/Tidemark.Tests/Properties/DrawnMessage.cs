using System.Globalization;

using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Properties;

/// <summary>Messages between nodes, drawn by chance, and a text that two have in common only if they are the same in everything.</summary>
internal static class DrawnMessage
{
    internal const int Kinds = 21;

    internal static ShardMessage Draw(int kind, Random chance)
    {
        long term = Number(chance), shard = kind == 16 ? -1 : Number(chance);
        return kind switch
        {
            0 => new ShardMessage(shard, new NewTerm(term)),
            1 => new ShardMessage(shard, new TermAnswer(term, Member(chance))),
            2 => new ShardMessage(shard, new BecomeLeader(term, new Quorum(Nodes(chance), chance.Next(2) == 0 ? null : Nodes(chance)), [.. Enumerable.Range(0, chance.Next(6)).Select(_ => Member(chance))])),
            3 => new ShardMessage(shard, new LeaderReady(term, chance.Next(2) == 0)),
            4 => new ShardMessage(shard, new Settle(term)),
            5 => new ShardMessage(shard, new AddFollower(term, Member(chance))),
            6 => new ShardMessage(shard, new Truncate(term, Head(chance), Head(chance))),
            7 => new ShardMessage(shard, new Truncated(term, Number(chance), Head(chance))),
            8 => new ShardMessage(shard, new Install(term, Number(chance), Head(chance))),
            9 => DrawAppend(shard, chance),
            10 => new ShardMessage(shard, new Ack(term, Number(chance), Number(chance), chance.Next(2) == 0, Number(chance))),
            11 => new ShardMessage(shard, new Restore(term, Number(chance))),
            12 => new ShardMessage(shard, new Restored(term, Number(chance))),
            13 => new ShardMessage(shard, new Resign(term, chance.Next(-1, 5))),
            14 => new ShardMessage(shard, new StateRequest(term, Head(chance), Number(chance))),
            15 => new ShardMessage(shard, Part(term, chance), [], Bytes(chance)),
            16 => new ShardMessage(shard, new Hello(Number(chance), chance.NextInt64(1L << 59), chance.NextInt64(1L << 59), chance.NextInt64(1L << 59))),
            17 => new ShardMessage(shard, new StateAtMark(term, Number(chance), Number(chance), new StateHash((ulong)chance.NextInt64(), (ulong)chance.NextInt64(), Number(chance)))),
            18 => new ShardMessage(shard, new Join(term, chance.Next(5))),
            19 => new ShardMessage(shard, new Joined(term, chance.Next(5))),
            _ => new ShardMessage(shard, new Quarantine(term, Number(chance), Number(chance))),
        };
    }

    internal static string Text(in ShardMessage message)
    {
        string entries = string.Concat(message.Entries.Select(entry =>
            string.Create(CultureInfo.InvariantCulture, $"; {entry.Offset} {entry.Term} {entry.Timestamp.Value:x} {entry.Kind} {Convert.ToHexString(entry.Payload.Span)}")));
        return string.Create(CultureInfo.InvariantCulture, $"{message.ShardId} {message.Message}{entries} | {Convert.ToHexString(message.Bytes.Span)}");
    }

    private static ShardMessage DrawAppend(long shard, Random chance)
    {
        long entryTerm = chance.Next(5), offset = chance.Next(-1, 1000);
        var before = new LogHead(entryTerm, offset);
        var entries = new List<LogRecord>();
        var runs = new List<TermRun>();
        for (int i = chance.Next(40); i > 0; i--)
        {
            if (chance.Next(4) == 0) entryTerm += chance.Next(3);
            ushort kind = chance.Next(5) == 0 ? EntryKinds.BeginTerm : (ushort)chance.Next(65535);
            entries.Add(new LogRecord(++offset, entryTerm, new HybridTimestamp((ulong)chance.NextInt64()), kind, kind == EntryKinds.BeginTerm ? default(ReadOnlyMemory<byte>) : Bytes(chance)));
            if (runs.Count > 0 && runs[^1].Term == entryTerm) runs[^1] = runs[^1] with { To = offset + 1 };
            else runs.Add(new TermRun(entryTerm, offset, offset + 1));
        }

        return new ShardMessage(shard, new Append(entryTerm + chance.Next(3), before, runs, Number(chance), Number(chance)), entries, default);
    }

    private static StatePart Part(long term, Random chance)
    {
        LogHead last = Head(chance);
        var hash = new StateHash((ulong)chance.NextInt64(long.MinValue, long.MaxValue), (ulong)chance.NextInt64(long.MinValue, long.MaxValue), Number(chance));
        return new StatePart(term, new StatePosition(last.Term, last.Offset, new HybridTimestamp((ulong)chance.NextInt64())), hash, Number(chance), chance.Next(2) == 0);
    }

    private static MemberHead Member(Random chance) => new(chance.Next(1000), Number(chance), Head(chance), chance.Next(2) == 0, chance.Next(2) == 0);

    private static LogHead Head(Random chance) => chance.Next(5) == 0 ? LogHead.None : new LogHead(Number(chance), Number(chance));

    private static int[] Nodes(Random chance) => [.. Enumerable.Range(chance.Next(100), chance.Next(1, 8))];

    private static byte[] Bytes(Random chance)
    {
        byte[] bytes = new byte[chance.Next(10) == 0 ? chance.Next(5000) : chance.Next(40)];
        chance.NextBytes(bytes);
        return bytes;
    }

    private static long Number(Random chance) => chance.Next(8) switch
    {
        0 => 0,
        1 => long.MaxValue,
        2 => chance.NextInt64(),
        _ => chance.Next(300),
    };
}
