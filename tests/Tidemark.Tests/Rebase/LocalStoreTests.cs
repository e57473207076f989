using System.Text;

using Tidemark.Core.Rebase;
using Tidemark.Replication.Rebase;
using Tidemark.Testing;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>The front door: a local store with its thread, over a naive server in the same process.</summary>
public sealed class LocalStoreTests
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    private readonly NaiveServer _server = new(TaskMutators.NewServer, KeyOrder.Hierarchical) { PageRows = 5 };

    [Fact]
    public async Task A_call_is_visible_at_once_and_confirmed_when_the_server_has_decided()
    {
        await using var store = LocalStore.InMemory(TaskMutators.Client);
        Mutation mutation = await store.MutateAsync(new PutTask("/task/a", 1));
        Assert.Equal("1", Text(store, "/task/a"));
        Assert.False(store.Confirmed.TryGet("/task/a", out _));
        Assert.Equal((1, MutationState.Pending), (store.Pending.Count, mutation.State));
        Assert.Same(mutation, store.Pending.Oldest);
        await using LocalStoreSync sync = store.SyncWith(new DirectRoute(_server));
        Assert.Equal(MutationFate.Applied, (await mutation.Outcome.WaitAsync(_patience)).Fate);
        await sync.PushedAsync().WaitAsync(_patience);
        Assert.True(store.Confirmed.TryGet("/task/a", out _));
        Assert.Equal((0, MutationState.Decided), (store.Pending.Count, mutation.State));
        Assert.Equal(_server.Offset, store.Position!.Value.Offset);
        Assert.Equal(SyncState.Live, sync.Status.State);
    }

    [Fact]
    public async Task What_was_called_is_there_when_the_store_is_opened_again_and_its_outcome_comes_still()
    {
        using var directory = new TestDirectory();
        await using (LocalStore store = await LocalStore.OpenAsync(directory.Path, TaskMutators.Client))
        {
            for (int tag = 1; tag <= 20; tag++) await store.MutateAsync(new AppendTask("/task/a", tag));
        }

        await using LocalStore again = await LocalStore.OpenAsync(directory.Path, TaskMutators.Client);
        Assert.Equal(string.Concat(Enumerable.Range(1, 20).Select(tag => $"+{tag}")), Text(again, "/task/a"));
        IReadOnlyList<Mutation> pending = again.Pending.All;
        Assert.Equal(Enumerable.Range(1, 20).Select(id => (long)id), pending.Select(mutation => mutation.Id));
        await using LocalStoreSync sync = again.SyncWith(new DirectRoute(_server));
        MutationOutcome[] outcomes = await Task.WhenAll(pending.Select(mutation => mutation.Outcome)).WaitAsync(_patience);
        Assert.All(outcomes, outcome => Assert.Equal(MutationFate.Applied, outcome.Fate));
        Assert.Equal(20, _server.Decided.Count);
    }

    [Fact]
    public async Task Refusals_come_to_the_caller_as_they_are_and_rejections_of_the_server_stay_until_they_are_known()
    {
        await using var store = LocalStore.InMemory(TaskMutators.Client);
        await store.MutateAsync(new ClaimTask("/task/a", 1));
        MutationRejectedException rejected = await Assert.ThrowsAsync<MutationRejectedException>(() => store.MutateAsync(new ClaimTask("/task/a", 2)));
        Assert.Equal(("taken", "/task/a"), (rejected.Reason, rejected.Text));
        _server.Put("/task/a", [7]);
        _server.Put("/trouble", [7]);
        await using LocalStoreSync sync = store.SyncWith(new DirectRoute(_server));
        await sync.PushedAsync().WaitAsync(_patience);
        InvalidOperationException thrown = await Assert.ThrowsAsync<InvalidOperationException>(() => store.MutateAsync(new FickleTask("/task/b", 3)));
        Assert.Contains("does not bear", thrown.Message, StringComparison.Ordinal);
        RejectedMutation kept = Assert.Single(store.Rejections);
        Assert.Equal(("claim", "taken", 1L), (kept.Name, kept.Code, kept.Id));
        await store.ForgetRejectionsAsync(kept);
        Assert.Empty(store.Rejections);
    }

    [Fact]
    public async Task A_watch_tells_what_is_visible_and_nothing_when_the_server_confirms_it()
    {
        await using var store = LocalStore.InMemory(TaskMutators.Client);
        await store.MutateAsync(new PutTask("/task/a", 1));
        await using IAsyncEnumerator<VisibleChange> watch = store.WatchAsync(KeyRange.Children("/task"), includeExisting: true).GetAsyncEnumerator();
        Assert.Equal("/task/a null 1", await NextAsync(watch));
        await using LocalStoreSync sync = store.SyncWith(new DirectRoute(_server));
        await sync.PushedAsync().WaitAsync(_patience);
        await store.MutateAsync(new PutTask("/task/b", 2));
        Assert.Equal("/task/b null 2", await NextAsync(watch));
        _server.Put("/task/a", "9"u8.ToArray());
        await sync.CaughtUpAsync().WaitAsync(_patience);
        Assert.Equal("/task/a 1 9", await NextAsync(watch));
        await store.MutateAsync(new DropTask("/task/b", 3));
        Assert.Equal("/task/b 2 null", await NextAsync(watch));
        await store.DisposeAsync();
        Assert.False(await watch.MoveNextAsync().AsTask().WaitAsync(_patience));
    }

    [Fact]
    public async Task A_server_that_does_not_answer_makes_it_offline_and_it_goes_on_when_it_does()
    {
        await using var store = LocalStore.InMemory(TaskMutators.Client);
        var route = new DirectRoute(_server) { IsDown = true };
        await using LocalStoreSync sync = store.SyncWith(route);
        Mutation mutation = await store.MutateAsync(new PutTask("/task/a", 1));
        await UntilAsync(sync, status => status is { State: SyncState.Offline, Fault: not null });
        Assert.Equal("1", Text(store, "/task/a"));
        route.IsDown = false;
        Assert.Equal(MutationFate.Applied, (await mutation.Outcome.WaitAsync(_patience)).Fate);
        await UntilAsync(sync, status => status is { State: SyncState.Live, Fault: null });
    }

    [Fact]
    public async Task A_question_stops_the_sync_until_it_is_answered()
    {
        await using var store = LocalStore.InMemory(TaskMutators.Client);
        await store.MutateAsync(new PutTask("/task/a", 1));
        await using (LocalStoreSync first = store.SyncWith(new DirectRoute(_server))) await first.PushedAsync().WaitAsync(_patience);
        Mutation mutation = await store.MutateAsync(new PutTask("/task/b", 2));
        _server.Forget(store.ClientId);
        await using LocalStoreSync sync = store.SyncWith(new DirectRoute(_server));
        await Assert.ThrowsAsync<SyncFaultedException>(() => sync.PushedAsync().WaitAsync(_patience));
        Assert.Equal(LocalStoreQuestion.ClientUnknown, store.Question);
        Assert.True(await store.AnswerAsync(LocalStoreAnswer.Discard));
        Assert.Equal(MutationFate.Unknown, (await mutation.Outcome.WaitAsync(_patience)).Fate);
        Assert.False(store.TryGet("/task/b", out _));
        Assert.False(await store.AnswerAsync(LocalStoreAnswer.Discard));
        await sync.CaughtUpAsync().WaitAsync(_patience);
    }

    [Fact]
    public async Task A_directory_is_open_once_keeps_its_key_order_and_is_no_other_stores()
    {
        using var directory = new TestDirectory();
        await using (LocalStore store = await LocalStore.OpenAsync(directory.Path, TaskMutators.Client))
        {
            await Assert.ThrowsAsync<DirectoryLockedException>(async () => await LocalStore.OpenAsync(directory.Path, TaskMutators.Client));
        }

        await Assert.ThrowsAsync<FormatMismatchException>(async () => await LocalStore.OpenAsync(directory.Path, TaskMutators.Client, new LocalStoreOptions { KeyOrder = KeyOrder.Natural }));
        using var other = new TestDirectory();
        await using (TidemarkStore store = await TidemarkStore.OpenAsync(other.Path)) await store.PutAsync("/a", new byte[1]);
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await LocalStore.OpenAsync(other.Path, TaskMutators.Client));
    }

    [Fact]
    public async Task Callers_of_many_threads_get_a_number_each_and_the_server_has_all_of_them_once()
    {
        await using var store = LocalStore.InMemory(TaskMutators.Client);
        await using LocalStoreSync sync = store.SyncWith(new DirectRoute(_server));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(async () =>
        {
            for (int i = 0; i < 40; i++) await store.MutateAsync(new AppendTask($"/task/{thread}", (thread * 100) + i + 1));
        }))).WaitAsync(_patience);
        await sync.PushedAsync().WaitAsync(_patience);
        await sync.CaughtUpAsync().WaitAsync(_patience);
        Assert.Equal(320, _server.Decided.Count);
        for (int thread = 0; thread < 8; thread++) Assert.Equal(string.Concat(Enumerable.Range(1, 40).Select(i => $"+{(thread * 100) + i}")), Text(store, $"/task/{thread}"));
    }

    [Fact]
    public void A_mutator_is_tested_without_a_store()
    {
        var test = new MutationTest(TaskMutators.Client);
        Assert.True(test.Run(new ClaimTask("/task/a", 1)).IsDone);
        MutationTestResult again = test.Run(new ClaimTask("/task/a", 2));
        Assert.Equal("taken", again.Rejection!.Reason);
        Assert.Empty(again.Writes);
        Assert.Equal("1", Encoding.UTF8.GetString(test.Get("/task/a")!));
        MutationTestResult drop = test.Run(new DropTask("/task/a", 3));
        Assert.Equal(["/tag/3", "/task/a"], drop.Writes.Select(write => write.Key.ToString()).Order());
        Assert.Null(test.Get("/task/a"));
    }

    [Fact]
    public void A_mutator_that_looks_elsewhere_is_found_out()
    {
        int calls = 0;
        Mutators impure = Mutators.Empty.Add("impure", 1, new NothingSerializer(), (context, _) => context.Put("/a", [(byte)calls++]));
        InvalidOperationException found = Assert.Throws<InvalidOperationException>(() => new MutationTest(impure).Run(new object()));
        Assert.Contains("impure", found.Message, StringComparison.Ordinal);
    }

    private static async Task UntilAsync(LocalStoreSync sync, Func<SyncStatus, bool> holds)
    {
        while (true)
        {
            Task changed = sync.Changed;
            if (holds(sync.Status)) return;
            await changed.WaitAsync(_patience);
        }
    }

    private static async Task<string> NextAsync(IAsyncEnumerator<VisibleChange> watch)
    {
        Assert.True(await watch.MoveNextAsync().AsTask().WaitAsync(_patience));
        VisibleChange change = watch.Current;
        return $"{change.Key} {Text(change.Before)} {Text(change.Value)}";
    }

    private static string Text(ReadOnlyMemory<byte>? value) => value is { } bytes ? Encoding.UTF8.GetString(bytes.Span) : "null";

    private static string? Text(LocalStore store, string key) => store.TryGet(key, out ReadOnlyMemory<byte> value) ? Encoding.UTF8.GetString(value.Span) : null;

    private sealed class NothingSerializer : IValueSerializer<object>
    {
        public void Serialize(object value, System.Buffers.IBufferWriter<byte> output)
        {
        }

        public object Deserialize(ReadOnlySpan<byte> bytes) => new();
    }

    /// <summary>Asks a server in this process.</summary>
    private sealed class DirectRoute(ISyncServer server) : ISyncRoute
    {
        internal bool IsDown { get; set; }

        public Task<SyncAnswer> PullAsync(SyncPull pull, CancellationToken cancellationToken) =>
            IsDown ? Task.FromException<SyncAnswer>(new IOException("The server is down.")) : Task.FromResult(server.Answer(pull));

        public Task<SyncPushed> PushAsync(SyncPush push, CancellationToken cancellationToken) =>
            IsDown ? Task.FromException<SyncPushed>(new IOException("The server is down.")) : Task.FromResult(server.Answer(push));

        public Task WaitForChangeAsync(CancellationToken cancellationToken) => Task.Delay(Timeout.Infinite, cancellationToken);
    }
}
