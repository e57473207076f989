using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Topics;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Nodes;
using Tidemark.Replication.Remote;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Client;

/// <summary>What a node allows callers, and what a client makes of what it is told.</summary>
public sealed class CallerTests
{
    [Fact]
    public void One_caller_cannot_have_more_under_way_than_its_part()
    {
        var accounts = new CallerAccounts(new CallerLimits { Requests = 2, Bytes = 100, AllRequests = 3, AllBytes = 1_000 });
        Assert.True(accounts.TryBegin(-5, 90));
        Assert.False(accounts.TryBegin(-5, 20));   // Bytes.
        Assert.True(accounts.TryBegin(-5, 10));
        Assert.False(accounts.TryBegin(-5, 0));    // Requests.
        Assert.True(accounts.TryBegin(-6, 10));
        Assert.False(accounts.TryBegin(-7, 0));    // Requests of all.
        accounts.End(-5, 90);
        Assert.True(accounts.TryBegin(-7, 500));   // One is always taken: the transport bounds it.
        Assert.False(accounts.TryBegin(-6, 10));
        accounts.End(-7, 500);
        accounts.End(-5, 10);
        accounts.End(-6, 10);
        Assert.True(accounts.TryBegin(-6, 100));
    }

    [Theory]
    [InlineData(true, "/a/b", null, null)]
    [InlineData(false, "/b", null, null)]
    [InlineData(true, null, "prefix", "/a/")]
    [InlineData(true, null, "children", "/a")]
    [InlineData(false, null, "children", "/ab")]
    [InlineData(false, null, "prefix", "/")]
    [InlineData(false, null, "all", "")]
    [InlineData(true, null, "/a/b", "/a/c")]
    [InlineData(false, null, "/a/b", "")]
    [InlineData(false, null, "/a/b", "/a/c/d")]   // Between them lie all keys of the one depth behind, and of the other before.
    [InlineData(false, null, "/a/b", "/b")]
    [InlineData(false, null, null, null)]
    public void An_operation_knows_whether_it_stays_below_a_prefix(bool expected, string? key, string? kind, string? end)
    {
        var operation = new ClientOperation(null, ClientOperationKind.Scan, KeyOrder.Hierarchical)
        {
            Key = key is null ? (StoreKey?)null : key,
            Range = kind switch { null => null, "prefix" => KeyRange.Prefix(end!), "children" => KeyRange.Children(end!), "all" => KeyRange.All, _ => KeyRange.Between(kind, end!) },
        };
        Assert.Equal(expected, operation.IsWithin("/a/"));
    }

    [Fact]
    public void Commands_that_no_program_gives_are_refused()
    {
        var space = new LocalNamespace("default", new NamespaceOptions(), HashRangeRouter.CreateEven(2), [.. Shards(2)], TimeProvider.System, () => default);
        var rights = new CallerRights(space, static _ => null, null);
        foreach (KvCommand command in (KvCommand[])[KvCommand.None, KvCommand.Configure, KvCommand.ExpireSessions, KvCommand.ExpireRecords, (KvCommand)65535])
            Assert.Throws<ArgumentException>(() => rights.Check(new CommandRequest(0, (ushort)command, new byte[] { 0x90 }), null));
        Assert.Throws<MalformedDataException>(() => rights.Check(new CommandRequest(0, (ushort)KvCommand.Write, new byte[] { 0xC1 }), null));
        Assert.Throws<MalformedDataException>(() => rights.Check(new CommandRequest(0, (ushort)KvCommand.ForgetClients, new byte[] { 0x92 }), null));

        // A put on the shard that its key does not belong to would never be found again.
        var put = new ArrayBufferWriter<byte>();
        CommandWriter.WritePut(put, null, "/a"u8, "1"u8, default);
        long own = space.ShardOf("/a", null).Id;
        rights.Check(new CommandRequest(own, (ushort)KvCommand.Write, put.WrittenMemory), null);
        Assert.Throws<ArgumentException>(() => rights.Check(new CommandRequest(1 - own, (ushort)KvCommand.Write, put.WrittenMemory), null));
        Assert.Throws<NotAuthorizedException>(() => new CallerRights(space, static _ => null, _ => throw new InvalidOperationException("no")).Check(new CommandRequest(own, (ushort)KvCommand.Write, put.WrittenMemory), null));
    }

    [Fact]
    public void Commands_to_a_topic_are_looked_at_and_asked_for_by_its_name()
    {
        var space = new LocalNamespace("default", new NamespaceOptions(), HashRangeRouter.CreateEven(1), [.. Shards(1)], TimeProvider.System, () => default);
        var topic = new PartitionedTopic("t", 1, new TopicView(new TopicOptions { MaxMessageBytes = 10, MaxBatchBytes = 100_000 }, []), TimeProvider.System, () => default);
        var asked = new List<string>();
        var rights = new CallerRights(space, shard => shard == 7 ? topic : null, operation =>
        {
            asked.Add($"{operation.Kind} {operation.Topic}");
            return true;
        });
        rights.Check(new CommandRequest(7, (ushort)TopicCommand.Append, Batch(1, 8)), null);
        rights.Check(new CommandRequest(7, (ushort)TopicCommand.Release, TopicCommands.Numbers([3])), null);
        rights.Check(new MessagesRequest(7, 0, TopicPosition.First, new TopicReadOptions()), null);
        rights.Check(new TrimRequest(7, 3), null);
        Assert.Equal(["Append t", "Trim t", "Read t", "Trim t"], asked);

        foreach (TopicCommand command in (TopicCommand[])[TopicCommand.Configure, TopicCommand.Trim, TopicCommand.Repeat, (TopicCommand)65535])
            Assert.Throws<ArgumentException>(() => rights.Check(new CommandRequest(7, (ushort)command, Batch(1, 8)), null));
        Assert.Throws<MalformedDataException>(() => rights.Check(new CommandRequest(7, (ushort)TopicCommand.Append, Batch(1, 8).AsMemory()[..^1]), null));
        Assert.Throws<MalformedDataException>(() => rights.Check(new CommandRequest(7, (ushort)TopicCommand.Append, Batch(0, 8)), null));
        Assert.Throws<LimitExceededException>(() => rights.Check(new CommandRequest(7, (ushort)TopicCommand.Append, Batch(1, 80_000)), null));
        Assert.Throws<LimitExceededException>(() => rights.Check(new CommandRequest(7, (ushort)TopicCommand.Append, Batch(4, 50_000)), null));
        Assert.Throws<ShardUnavailableException>(() => rights.Check(new CommandRequest(8, (ushort)TopicCommand.Append, Batch(1, 8)), null));

        static byte[] Batch(int count, int bytes)
        {
            var output = new ArrayBufferWriter<byte>();
            BatchCodec.Write(output, new BatchHead(0, null, null, 0, 0, count), [.. Enumerable.Range(0, count).Select(_ => new TopicMessage(new byte[bytes]))], default(DateTimeOffset).AddYears(2000));
            return output.WrittenSpan.ToArray();
        }
    }

    /// <summary>
    /// Three pages, read at offsets 10, 20 and 30. Of what lies behind offset 10, the first page's keys need all, the second's what is behind 20, the third's what is behind 30: else what a page showed
    /// would be told again, or a range delete from before it would take its records away.
    /// </summary>
    [Fact]
    public void What_a_later_page_shows_is_not_told_again()
    {
        var pages = new ExistingPages(KeyOrder.Hierarchical);
        foreach ((string first, string last, long offset) in new[] { ("/k/a", "/k/d", 10L), ("/k/f", "/k/k", 20L), ("/k/m", "/k/z", 30L) })
            pages.Add(new PageBody([new StoreRecord(first, default), new StoreRecord(last, default)], null, Place(offset)));
        Assert.Null(pages.Left(Change("/k/b", 9)));
        Assert.NotNull(pages.Left(Change("/k/b", 11)));
        Assert.Null(pages.Left(Change("/k/e", 20)));   // It was behind the first page, and gone when the second was read.
        Assert.Null(pages.Left(Change("/k/g", 20)));
        Assert.NotNull(pages.Left(Change("/k/g", 21)));
        Assert.Null(pages.Left(Change("/k/z", 30)));
        Assert.NotNull(pages.Left(Change("/k/z", 31)));

        StoreEvent? deleted = pages.Left(Change(null, 15, KeyRange.Children("/k")));
        EncodedKeyRange left = KeyOrder.Hierarchical.Encode(deleted!.Range!);
        Assert.True(left.Contains(KeyOrder.Hierarchical.Encode("/k/d"u8)));
        Assert.False(left.Contains(KeyOrder.Hierarchical.Encode("/k/f"u8)));
        Assert.Null(pages.Left(Change(null, 15, KeyRange.Between("/k/g", "/k/h"))));
        Assert.NotNull(pages.Left(Change(null, 25, KeyRange.Between("/k/g", "/k/h"))));
        Assert.Equal(KeyRangeKind.Children, pages.Left(Change(null, 31, KeyRange.Children("/k")))!.Range!.Kind);
    }

    /// <summary>
    /// A write was sent and not answered; sent again, it was refused because nobody led. It may have happened at first, so its number is used up: given to the next write, that would get the first one's
    /// answer and be lost. So the first write's outcome is unknown, and the client writes no more on that shard.
    /// </summary>
    [Fact]
    public async Task A_number_is_not_given_again_where_its_first_write_may_have_happened()
    {
        var route = new ScriptedRoute(new OutcomeUnknownException("first"), new ShardUnavailableException(0, "then"));
        var shard = new LocalShard(route, new ProposalPool());
        var writes = new ClientWrites(Guid.NewGuid());
        await writes.RegisterAsync(shard, CancellationToken.None);
        await Assert.ThrowsAsync<OutcomeUnknownException>(async () => await writes.WriteAsync(shard, (output, ticket) => CommandWriter.WriteDelete(output, ticket, "a"u8, null), CancellationToken.None));
        await Assert.ThrowsAsync<OutcomeUnknownException>(async () => await writes.WriteAsync(shard, (output, ticket) => CommandWriter.WriteDelete(output, ticket, "b"u8, null), CancellationToken.None));
        Assert.Equal(3, route.Submitted);   // The registration, and the first write twice.
    }

    private static WatchToken Place(long offset) => new(new Dictionary<long, WatchPlace> { [0] = new(offset, WatchPlace.All) });

    private static StoreEvent Change(string? key, long offset, KeyRange? range = null) => new()
    {
        Kind = range is null ? StoreEventKind.Modified : StoreEventKind.RangeDeleted,
        Key = key is null ? default : (StoreKey)key,
        Range = range,
        Token = Place(offset),
    };

    private static IEnumerable<LocalShard> Shards(int count) => Enumerable.Range(0, count).Select(id => new LocalShard(new ScriptedRoute { ShardId = id }, new ProposalPool()));

    /// <summary>Answers the first command, then fails as it is told.</summary>
    private sealed class ScriptedRoute(params Exception[] failures) : IShardRoute
    {
        public long ShardId { get; init; }

        internal int Submitted { get; private set; }

        public bool IsHere => true;

        public KvMachine Machine => throw new NotSupportedException();

        public Task Changed => Task.CompletedTask;

        public void Submit(Proposal proposal)
        {
            int number = Submitted++;
            if (number == 0) KvAnswer.Write(proposal.Answer, StoreStatus.Ok, -1, default, []);
            proposal.Finish(number == 0 ? null : failures[number - 1]);
        }

        public ValueTask<long> ReadyToReadAsync(ReadLevel level, CancellationToken cancellationToken) => new(0);

        public Task<long> WatchFromAsync() => throw new NotSupportedException();

        public Task<bool> KeepAliveAsync(Guid session) => Task.FromResult(true);
    }
}
