using static Tidemark.Testing.ClusterStatusStoreContract;
using static Tidemark.Testing.ContractCheck;

namespace Tidemark.Testing;

/// <summary>The rules about watching a status.</summary>
internal static class ClusterStatusWatchCases
{
    public static AsyncContractCase<ClusterStatusStoreSubject>[] All { get; } =
    [
        new("A_watch_from_0_begins_with_what_is_there", async s =>
        {
            long version = await s.Put(Bytes(2), await s.Put(Bytes(1), 0).ConfigureAwait(false)).ConfigureAwait(false);
            await Watch(s, 0, async watch => Same(Bytes(2), version, await watch.Next().ConfigureAwait(false))).ConfigureAwait(false);
        }),
        new("A_watch_of_a_store_without_a_document_waits_for_the_first", async s =>
            await Watch(s, 0, async watch =>
            {
                Task<ClusterStatusEntry> next = watch.Next();
                await Task.Yield();
                True(!next.IsCompleted, "There is nothing to give yet.");
                long version = await s.Put(Bytes(1), 0).ConfigureAwait(false);
                Same(Bytes(1), version, await next.ConfigureAwait(false));
            }).ConfigureAwait(false)),
        new("A_watch_gives_rising_versions_and_always_reaches_the_newest", async s =>
            await Watch(s, 0, async watch =>
            {
                long version = 0, seen = 0;
                for (int i = 1; i <= 100; i++)
                {
                    version = await s.Put(Bytes(i), version).ConfigureAwait(false);
                    if (i % 10 != 0) continue;   // Several changes may come as one.
                    ClusterStatusEntry entry;
                    do
                    {
                        entry = await watch.Next().ConfigureAwait(false);
                        True(entry.Version > seen && entry.Version <= version, $"Versions rise up to the newest, {version}. After {seen} came {entry.Version}.");
                        seen = entry.Version;
                    }
                    while (seen < version);
                    SameBytes(Bytes(i), entry.Content.Span, "The content belongs to the version.");
                }
            }).ConfigureAwait(false)),
        new("A_watch_after_a_version_gives_nothing_that_is_not_newer", async s =>
        {
            long first = await s.Put(Bytes(1), 0).ConfigureAwait(false), second = await s.Put(Bytes(2), first).ConfigureAwait(false);
            await Watch(s, first, async watch => Same(Bytes(2), second, await watch.Next().ConfigureAwait(false))).ConfigureAwait(false);
            await Watch(s, second, async watch =>
            {
                Task<ClusterStatusEntry> next = watch.Next();
                await Task.Yield();
                True(!next.IsCompleted, "What is known already is not given again.");
                long third = await s.Put(Bytes(3), second).ConfigureAwait(false);
                Same(Bytes(3), third, await next.ConfigureAwait(false));
            }).ConfigureAwait(false);
        }),
        new("A_change_between_two_looks_of_a_watch_is_not_missed", async s =>
            await Watch(s, 0, async watch =>
            {
                long first = await s.Put(Bytes(1), 0).ConfigureAwait(false);
                Same(Bytes(1), first, await watch.Next().ConfigureAwait(false));
                long second = await s.Put(Bytes(2), first).ConfigureAwait(false);   // Nobody waits for it at this moment.
                Same(Bytes(2), second, await watch.Next().ConfigureAwait(false));
            }).ConfigureAwait(false)),
        new("A_refused_write_is_no_change", async s =>
        {
            long first = await s.Put(Bytes(1), 0).ConfigureAwait(false);
            await Watch(s, first, async watch =>
            {
                Equal(null, await s.Write(Bytes(2), 0).ConfigureAwait(false), "There is a document already.");
                long second = await s.Put(Bytes(3), first).ConfigureAwait(false);
                Same(Bytes(3), second, await watch.Next().ConfigureAwait(false));
            }).ConfigureAwait(false);
        }),
        new("Several_watches_see_every_one_the_newest", async s =>
            await Watch(s, 0, one => Watch(s, 0, async two =>
            {
                long version = await s.Put(Bytes(1), 0).ConfigureAwait(false);
                Same(Bytes(1), version, await one.Next().ConfigureAwait(false));
                Same(Bytes(1), version, await two.Next().ConfigureAwait(false));
            })).ConfigureAwait(false)),
        new("Cancelling_ends_a_watch_that_waits", async s =>
            await Watch(s, 0, async watch =>
            {
                Task<ClusterStatusEntry> next = watch.Next();
                await watch.CancelAsync().ConfigureAwait(false);
                await ThrowsAsync<OperationCanceledException>(() => next, "A watch ends when it is cancelled.").ConfigureAwait(false);
            }).ConfigureAwait(false)),
    ];

    private static void Same(byte[] content, long version, ClusterStatusEntry entry)
    {
        Equal(version, entry.Version, "A watch gives the newest version.");
        SameBytes(content, entry.Content.Span, "A watch gives the content of the version.");
    }

    /// <summary>Watches while something is done, and ends the watch by cancelling it.</summary>
    private static async Task Watch(ClusterStatusStoreSubject s, long after, Func<Watching, Task> act)
    {
        using var cancellation = new CancellationTokenSource();
        IAsyncEnumerator<ClusterStatusEntry> enumerator = s.Store.WatchAsync(after, cancellation.Token).GetAsyncEnumerator(CancellationToken.None);
        var watching = new Watching(enumerator, s.Patience, cancellation);
        try
        {
            await act(watching).ConfigureAwait(false);
        }
        finally
        {
            await watching.CancelAsync().ConfigureAwait(false);
            await watching.EndAsync().ConfigureAwait(false);
        }
    }

    private sealed class Watching(IAsyncEnumerator<ClusterStatusEntry> enumerator, TimeSpan patience, CancellationTokenSource cancellation)
    {
        private Task<bool> _next = Task.FromResult(true);

        internal Task CancelAsync() => cancellation.CancelAsync();

        internal async Task<ClusterStatusEntry> Next()
        {
            _next = enumerator.MoveNextAsync().AsTask();
            bool found = await InTime(_next, patience, "A watch gives the next change.").ConfigureAwait(false);
            True(found, "A watch ends when it is cancelled, and not before.");
            return enumerator.Current;
        }

        internal async Task EndAsync()
        {
            try
            {
                await _next.WaitAsync(patience).ConfigureAwait(false);
            }
            catch (Exception e) when (e is OperationCanceledException or TimeoutException)
            {
                // It was cancelled, or is beyond help.
            }

            if (_next.IsCompleted) await enumerator.DisposeAsync().ConfigureAwait(false);   // Not while it is used.
        }
    }
}
