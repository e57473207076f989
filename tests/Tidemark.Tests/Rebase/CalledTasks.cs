using System.Globalization;
using System.Text;

using Tidemark.Core.Rebase;
using Tidemark.Testing;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>The mutations that a drawn run has called, each with a tag of its own, and what their programs were told of them.</summary>
internal sealed class CalledTasks(Random random)
{
    private readonly Dictionary<(SyncHarnessClient Client, long Mutation), int> _pending = [];
    private readonly Dictionary<int, TimelineFate> _fates = [];
    private readonly HashSet<int> _refused = [];
    private int _last;

    /// <summary>What was told of each, in no order.</summary>
    internal IReadOnlyDictionary<int, TimelineFate> Fates => _fates;

    /// <summary>Has a client's calls be followed, and those that it has of another whose directory it was copied from.</summary>
    internal void Watch(SyncHarnessClient client, SyncHarnessClient? original = null)
    {
        foreach (((SyncHarnessClient of, long mutation), int tag) in _pending.ToArray())
        {
            if (of == original) _pending[(client, mutation)] = tag;
        }

        client.Settled = move =>
        {
            if (move.Fate == TimelineFate.Called || !_pending.Remove((client, move.Mutation), out int tag)) return;
            if (move.Fate == TimelineFate.Renumbered) _pending[(client, move.NewNumber)] = tag;
            else _fates[tag] = move.Fate;
        };
    }

    /// <summary>Calls one of the mutators on a client.</summary>
    /// <returns>What came of it.</returns>
    internal string Call(SyncHarnessClient client)
    {
        int tag = ++_last;
        string key = $"/task/{random.Next(12)}";
        try
        {
            long number = random.Next(13) switch
            {
                < 3 => client.Mutate(new PutTask(key, tag)),
                < 6 => client.Mutate(new AppendTask(key, tag)),
                6 => client.Mutate(new ClaimTask(key, tag)),
                7 => client.Mutate(new DropTask(key, tag)),
                8 => client.Mutate(new SumTasks(key, tag)),
                9 => client.Mutate(new PoisonTask(key, tag)),
                10 => client.Mutate(new LaterTask(key, tag)),
                11 => client.Mutate(new EditTask(key, tag)),
                _ => client.Mutate(new FickleTask(key, tag)),
            };
            _pending[(client, number)] = tag;
            return "mutation";
        }
        catch (MutationRejectedException e) when (e.Reason == "taken")
        {
            _refused.Add(tag);
            return "mutation rejected";
        }
        catch (InvalidOperationException e) when (e.Message.Contains("does not bear", StringComparison.Ordinal))
        {
            _refused.Add(tag);
            return "mutation threw";
        }
        catch (Exception e) when (e is SimulatedCrashException or StoreFailedException or OutcomeUnknownException)
        {
            return "crash in a mutation";   // It may be there.
        }
    }

    /// <summary>At the end: what was called took effect once; or its program was told that it was rejected.</summary>
    /// <param name="harness">The clients, all of which show the same.</param>
    /// <param name="isExact">Whether nothing came about after which that need not be so, other than for what was refused at once.</param>
    /// <param name="story">More about a tag.</param>
    internal void Check(SyncHarness harness, bool isExact, Func<int, string> story)
    {
        foreach (int tag in _refused) Assert.False(harness.TryGet(0, TaskMutators.TagKey(tag), out _), $"mutation {tag} was refused at once and took effect");
        if (!isExact) return;
        for (int tag = 1; tag <= _last; tag++)
        {
            bool isThere = harness.TryGet(0, TaskMutators.TagKey(tag), out ReadOnlyMemory<byte> count);
            Assert.True(!isThere || count.Span[0] == 1, $"mutation {tag} took effect {(isThere ? count.Span[0] : 0)} times: {story(tag)}");
            if (!_fates.TryGetValue(tag, out TimelineFate fate)) continue;
            Assert.True(isThere == (fate == TimelineFate.Applied), $"mutation {tag} is {fate} and {(isThere ? "took" : "did not take")} effect");
        }

        // What was decided as the power went is told by what the program finds when it opens the store again.
        foreach (((SyncHarnessClient client, long _), int tag) in _pending.Where(pending => !_fates.ContainsKey(pending.Value)))
        {
            Assert.True(client.Crashes > 0, $"nobody was told what became of mutation {tag}");
            bool isRejected = client.View.Rejections().Any(rejected => TagOf(rejected.Mutation) == tag);
            Assert.True(isRejected != harness.TryGet(0, TaskMutators.TagKey(tag), out _), $"mutation {tag} is {(isRejected ? "rejected and took" : "not rejected and took no")} effect");
        }
    }

    private static int TagOf(TimelineEntry mutation) => int.Parse(Encoding.UTF8.GetString(mutation.Arguments.Span).Split(' ')[0], CultureInfo.InvariantCulture);
}
