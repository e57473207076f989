using Tidemark.Core.KeyValue;
using Tidemark.Replication.Remote;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Client;

/// <summary>Whom a request is brought to, one after the other.</summary>
public sealed class StoreCallsTests
{
    private static readonly StoreAnswer _done = new(RequestOutcome.Done, -1, "", new PageBody([], null, null));
    private static readonly StoreAnswer _notKept = new(RequestOutcome.NotKept, -1, "Node 7 does not keep shard 2.", null);

    [Fact]
    public async Task Who_keeps_a_shard_is_found_by_asking_and_asked_first_from_then_on()
    {
        var calls = new ScriptedCalls((shard, member) => member == shard ? _done : _notKept);
        await calls.ReadAsync(Get(2), CancellationToken.None);
        await calls.ReadAsync(Get(2), CancellationToken.None);
        await calls.ReadAsync(Get(1), CancellationToken.None);
        Assert.Equal([(2L, 0), (2L, 1), (2L, 2), (2L, 2), (1L, 0), (1L, 1)], calls.Asked);
    }

    [Fact]
    public async Task Where_nobody_keeps_it_the_error_says_so()
    {
        var calls = new ScriptedCalls((_, _) => _notKept);
        ShardUnavailableException nobody = await Assert.ThrowsAsync<ShardUnavailableException>(() => calls.ReadAsync(Get(2), CancellationToken.None));
        Assert.Equal(2, nobody.ShardId);
        Assert.Contains("Nor does any other", nobody.Message, StringComparison.Ordinal);
        Assert.Equal([0, 1, 2], calls.Asked.Select(asked => asked.Member).Distinct());
    }

    [Fact]
    public async Task What_was_not_answered_is_asked_of_the_next_unless_it_would_be_done_twice()
    {
        var calls = new ScriptedCalls((_, member) => member == 0 ? null : _done);
        await calls.ReadAsync(Get(0), CancellationToken.None);
        Assert.Equal([(0L, 0), (0L, 1)], calls.Asked);
        await Assert.ThrowsAsync<OutcomeUnknownException>(() => calls.WriteAsync(new CommandRequest(1, (ushort)KvCommand.Write, default)));
        Assert.Equal((1L, 0), Assert.Single(calls.Asked.Skip(2)));
    }

    [Fact]
    public async Task What_is_refused_for_good_is_not_asked_of_another()
    {
        var calls = new ScriptedCalls((_, _) => new StoreAnswer(RequestOutcome.NotAuthorized, -1, "no", null));
        await Assert.ThrowsAsync<NotAuthorizedException>(() => calls.WatchAsync(Get(0), CancellationToken.None));
        Assert.Single(calls.Asked);
    }

    [Fact]
    public async Task A_watch_of_what_is_closed_ends_and_a_read_throws()
    {
        var calls = new ScriptedCalls((_, _) => throw new ObjectDisposedException("store")) { IsEnded = true };
        Assert.Null(await calls.WatchAsync(Get(0), CancellationToken.None));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => calls.ReadAsync(Get(0), CancellationToken.None));
    }

    private static GetRequest Get(long shard) => new(shard, null, "/a");

    /// <summary>Three who answer as a test has it.</summary>
    private sealed class ScriptedCalls(Func<long, int, StoreAnswer?> answer) : StoreCalls(TimeProvider.System, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1))
    {
        internal bool IsEnded { get; init; }

        internal List<(long Shard, int Member)> Asked { get; } = [];

        protected override bool IsClosed => IsEnded;

        protected override int Width => 3;

        internal Task<StoreAnswer> WriteAsync(CommandRequest request) => AskAsync(request, isRepeatable: false, isPatient: false, CancellationToken.None);

        protected override Task<(StoreAnswer? Answer, int Turn)> TryAsync(StoreRequest request, int turn, bool isPatient, CancellationToken cancellationToken)
        {
            Asked.Add((request.Shard, turn % Width));
            return Task.FromResult((answer(request.Shard, turn % Width), turn));
        }
    }
}
