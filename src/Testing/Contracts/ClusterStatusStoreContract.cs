using System.Globalization;
using System.Text;

using static Tidemark.Testing.ContractCheck;

namespace Tidemark.Testing;

/// <summary>A status store to be tested.</summary>
/// <param name="Store">It has no document yet, and nobody else writes to it.</param>
public sealed record ClusterStatusStoreSubject(IClusterStatusStore Store)
{
    /// <summary>How long a call, or the next change of a watch, is waited for before it counts as a broken rule.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    internal async Task<ClusterStatusEntry?> Read() => await InTime(Store.ReadAsync().AsTask(), Patience, "A read ends.").ConfigureAwait(false);

    internal async Task<long?> Write(ReadOnlyMemory<byte> content, long expected) =>
        await InTime(Store.TryWriteAsync(content, expected).AsTask(), Patience, "A write ends.").ConfigureAwait(false);

    /// <summary>Writes what must succeed.</summary>
    internal async Task<long> Put(ReadOnlyMemory<byte> content, long expected)
    {
        long? version = await Write(content, expected).ConfigureAwait(false);
        return version ?? throw new ContractViolationException($"A write that expects the version that is there succeeds. One that expected {expected} was refused.");
    }
}

/// <summary>The rules every <see cref="IClusterStatusStore"/> keeps, as cases for any test framework.</summary>
/// <remarks>
/// That a document outlives a crash of the store, and what a store answers that is out of reach, are not among them: only whoever can bring that about can look. Every case takes a store
/// without a document.
/// </remarks>
public static class ClusterStatusStoreContract
{
    private const int Writers = 16;

    /// <summary>The cases, each independent of the others.</summary>
    public static IReadOnlyList<AsyncContractCase<ClusterStatusStoreSubject>> Cases { get; } =
    [
        new("A_store_begins_without_a_document", async s =>
        {
            True(await s.Read().ConfigureAwait(false) is null, "Before the first write there is nothing to read.");
            Equal(null, await s.Write(Bytes(1), 1).ConfigureAwait(false), "A version that was never there is not expected with success.");
            True(await s.Read().ConfigureAwait(false) is null, "A refused write leaves nothing.");
        }),
        new("The_first_write_expects_0_and_a_second_first_write_changes_nothing", async s =>
        {
            long version = await s.Put(Bytes(1), 0).ConfigureAwait(false);
            True(version >= 1, $"A version is 1 or more. It is {version}.");
            Equal(null, await s.Write(Bytes(2), 0).ConfigureAwait(false), "There is a document already.");
            await Holds(s, Bytes(1), version, "The refused write changed nothing.").ConfigureAwait(false);
        }),
        new("Versions_rise_and_a_read_has_the_newest_write_that_was_answered", async s =>
        {
            long version = 0;
            for (int i = 0; i < 50; i++)
            {
                long next = await s.Put(Bytes(i), version).ConfigureAwait(false);
                True(next > version, $"Versions rise. After {version} came {next}.");
                await Holds(s, Bytes(i), version = next, "A read has what was written before it.").ConfigureAwait(false);
            }
        }),
        new("A_write_that_expects_another_version_is_refused_and_changes_nothing", async s =>
        {
            long first = await s.Put(Bytes(1), 0).ConfigureAwait(false), second = await s.Put(Bytes(2), first).ConfigureAwait(false);
            foreach (long wrong in (long[])[0, first, second + 1, long.MaxValue])
            {
                Equal(null, await s.Write(Bytes(3), wrong).ConfigureAwait(false), $"The document has version {second}, not {wrong}.");
                await Holds(s, Bytes(2), second, "The refused write changed nothing.").ConfigureAwait(false);
            }

            True(await s.Put(Bytes(3), second).ConfigureAwait(false) > second, "After refusals the right version is taken.");
        }),
        new("The_same_content_again_is_a_new_version", async s =>
        {
            long first = await s.Put(Bytes(1), 0).ConfigureAwait(false);
            long second = await s.Put(Bytes(1), first).ConfigureAwait(false);
            True(second > first, $"A write that changes no byte raises the version too. After {first} came {second}.");
            Equal(null, await s.Write(Bytes(2), first).ConfigureAwait(false), "The version before is gone.");
        }),
        new("The_callers_buffer_is_the_callers_again_once_the_write_is_answered", async s =>
        {
            byte[] buffer = Bytes(1);
            long version = await s.Put(buffer, 0).ConfigureAwait(false);
            Array.Fill(buffer, (byte)0xFF);
            await Holds(s, Bytes(1), version, "The document is what the buffer held during the call.").ConfigureAwait(false);
        }),
        new("Any_bytes_from_none_to_a_mebibyte_are_kept_as_they_are", async s =>
        {
            long version = 0;
            foreach (byte[] content in (byte[][])[[], [0], [0xFF, 0, 10, 13], Long(), []])
            {
                version = await s.Put(content, version).ConfigureAwait(false);
                await Holds(s, content, version, "What was written is read back.").ConfigureAwait(false);
            }
        }),
        new("Of_writers_that_expect_one_version_exactly_one_succeeds", async s =>
        {
            long version = 0;
            for (int round = 0; round < 20; round++)
            {
                long before = version;
                long?[] answers = await Together(writer => s.Write(Bytes((round * 100) + writer), before)).ConfigureAwait(false);
                Equal(1, answers.Count(answer => answer is not null), "One of many that expect the same version succeeds, and one alone.");
                int winner = Array.FindIndex(answers, answer => answer is not null);
                version = answers[winner]!.Value;
                await Holds(s, Bytes((round * 100) + winner), version, "The document is the one of whom the store said so.").ConfigureAwait(false);
            }
        }),
        new("Concurrent_increments_lose_none", async s =>
        {
            const int Each = 10;
            int reading = Writers;
            var allHaveRead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await Together(async _ =>
            {
                for ((int done, bool isFirst) = (0, true); done < Each; isFirst = false)
                {
                    ClusterStatusEntry? entry = await s.Read().ConfigureAwait(false);
                    if (isFirst && Interlocked.Decrement(ref reading) == 0) allHaveRead.SetResult();
                    await allHaveRead.Task.ConfigureAwait(false);   // All write over the same version once, however they are scheduled.
                    await Task.Yield();   // Others come between, also where one thread does it all.
                    int count = entry is null ? 0 : int.Parse(entry.Content.Span, CultureInfo.InvariantCulture);
                    if (await s.Write(Text(count + 1), entry?.Version ?? 0).ConfigureAwait(false) is not null) done++;
                }

                return 0;
            }).ConfigureAwait(false);
            ClusterStatusEntry? last = await s.Read().ConfigureAwait(false);
            Equal(Writers * Each, int.Parse(last!.Content.Span, CultureInfo.InvariantCulture), "Every increment that was answered is in the document.");
        }),
        new("Cancelling_ends_a_read_and_a_write_before_they_begin", async s =>
        {
            var cancelled = new CancellationToken(canceled: true);
            await ThrowsAsync<OperationCanceledException>(async () => await s.Store.ReadAsync(cancelled).ConfigureAwait(false), "A cancelled read.").ConfigureAwait(false);
            await ThrowsAsync<OperationCanceledException>(async () => await s.Store.TryWriteAsync(Bytes(1), 0, cancelled).ConfigureAwait(false), "A cancelled write.").ConfigureAwait(false);
        }),
        .. ClusterStatusWatchCases.All,
    ];

    internal static byte[] Bytes(int number) => Encoding.UTF8.GetBytes($"document {number.ToString(CultureInfo.InvariantCulture)}");

    internal static async Task Holds(ClusterStatusStoreSubject s, byte[] content, long version, string rule)
    {
        ClusterStatusEntry? entry = await s.Read().ConfigureAwait(false);
        True(entry is not null, $"{rule} There is none.");
        Equal(version, entry!.Version, rule);
        SameBytes(content, entry.Content.Span, rule);
    }

    private static byte[] Text(int number) => Encoding.UTF8.GetBytes(number.ToString(CultureInfo.InvariantCulture));

    private static byte[] Long()
    {
        var bytes = new byte[1 << 20];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)(i * 31 / 7);
        return bytes;
    }

    /// <summary>Begins all of them at once.</summary>
    private static async Task<T[]> Together<T>(Func<int, Task<T>> act)
    {
        var start = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<T>[] all = [.. Enumerable.Range(0, Writers).Select(async writer =>
        {
            await start.Task.ConfigureAwait(false);
            await Task.Yield();   // Each on a thread of its own, where there are enough.
            return await act(writer).ConfigureAwait(false);
        })];
        start.SetResult();
        return await Task.WhenAll(all).ConfigureAwait(false);
    }
}
