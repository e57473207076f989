using System.Diagnostics;

namespace Tidemark.Tests.Replication;

/// <summary>Visits every state that can be reached, level by level, on two threads, and looks whether a law is broken.</summary>
/// <remarks>A state is remembered by a fingerprint of 128 bits of its parts, and its messages: of two states with the same parts the one with more messages can do more, and is enough.</remarks>
internal sealed class Explorer(ExploredScope scope, Action<string>? say = null)
{
    private const int Threads = 2;

    private readonly StateTable _seen = new(isExact: !scope.IsReduced);
    private long _states;

    /// <summary>How many were visited.</summary>
    internal long States => _states;

    internal int Depth { get; private set; }

    /// <summary>What the laws look at, of all states.</summary>
    internal HashSet<string> Facts { get; } = [];

    internal bool KeepsFacts { get; init; }

    /// <summary>Ends when there is nothing new any more.</summary>
    /// <exception cref="LawBrokenException">One of the shortest ways to a state in which a law is broken.</exception>
    internal void Run()
    {
        var parts = new ExploredParts(scope);
        ExploredStates[] states = [.. Enumerable.Range(0, Threads).Select(_ => new ExploredStates(parts))];
        int[] first = states[0].First();
        _seen.Add(ExploredStates.Fingerprint(first), ExploredStates.MessagesOf(first));
        var level = new StateQueue();
        level.Add(first);
        long begin = Stopwatch.GetTimestamp(), said = begin;
        for (; level.Count > 0; Depth++)
        {
            StateQueue[] next = [.. Enumerable.Range(0, Threads).Select(_ => new StateQueue())];
            string? broken = null;
            if (scope.IsReduced) level = Filter(level);
            _states += level.Count;
            Share(level.Chunks, (thread, chunk) => level.Visit(chunk, state =>
            {
                if (broken is null) Visit(states[thread], state, next[thread], ref broken);
            }));
            if (broken is not null) throw new LawBrokenException($"{broken}, after {States:N0} states\n{Trace()}");
            level = StateQueue.Join(next);
            if (Stopwatch.GetElapsedTime(said).TotalSeconds < 10) continue;
            said = Stopwatch.GetTimestamp();
            say?.Invoke($"{Stopwatch.GetElapsedTime(begin).TotalSeconds:F0} s, depth {Depth}: {States:N0} states, {level.Count:N0} of them new; {parts.Nodes.Count:N0} nodes, {parts.Elections.Count:N0} elections, {parts.Messages.Count:N0} messages, {GC.GetTotalMemory(false) >> 20:N0} MB");
        }
    }

    private static void Share(int chunks, Action<int, int> work)
    {
        int taken = 0;
        void Work(int thread)
        {
            for (int chunk = Interlocked.Increment(ref taken) - 1; chunk < chunks; chunk = Interlocked.Increment(ref taken) - 1) work(thread, chunk);
        }

        Thread[] threads = [.. Enumerable.Range(1, chunks > 1 ? Threads - 1 : 0).Select(thread => new Thread(() => Work(thread)))];
        foreach (Thread thread in threads) thread.Start();
        Work(0);
        foreach (Thread thread in threads) thread.Join();
    }

    /// <summary>Without those states that others of the same level or before make superfluous. After the level, so that what is left does not depend on which thread was first.</summary>
    private StateQueue Filter(StateQueue level)
    {
        StateQueue[] kept = [.. Enumerable.Range(0, Threads).Select(_ => new StateQueue())];
        Share(level.Chunks, (thread, chunk) => level.Visit(chunk, state =>
        {
            if (_seen.Contains(ExploredStates.Fingerprint(state), ExploredStates.MessagesOf(state))) kept[thread].Add(state);
        }));
        return StateQueue.Join(kept);
    }

    private void Visit(ExploredStates states, ReadOnlySpan<int> state, StateQueue next, ref string? broken)
    {
        if (KeepsFacts)
        {
            lock (Facts) Facts.UnionWith(states.FactsOf(state.ToArray()));
        }

        try
        {
            states.Expand(state, (_, found) =>
            {
                if (_seen.Add(ExploredStates.Fingerprint(found), ExploredStates.MessagesOf(found))) next.Add(found);
            });
        }
        catch (LawBrokenException e)
        {
            broken = e.Message;
        }
    }

    /// <summary>Goes the same ways again, by itself, and tells one to the broken law that is among the shortest.</summary>
    private string Trace()
    {
        var states = new ExploredStates(new ExploredParts(scope)) { IsTracing = true };
        var seen = new StateTable(isExact: !scope.IsReduced);
        var ways = new Queue<(int[] State, Way? Way)>();
        ways.Enqueue((states.First(), null));
        while (ways.TryDequeue(out (int[] State, Way? Way) next))
        {
            try
            {
                states.Expand(next.State, (trail, found) =>
                {
                    if (seen.Add(ExploredStates.Fingerprint(found), ExploredStates.MessagesOf(found))) ways.Enqueue((found.ToArray(), new Way(next.Way, trail!)));
                });
            }
            catch (LawBrokenException e)
            {
                var steps = new List<string> { e.Message };
                for (var way = new Way(next.Way, e.Trail!); way is not null; way = way.Before)
                {
                    for (Trail? trail = way.Trail; trail is not null; trail = trail.Before) steps.Add(trail.Step);
                }

                steps.Reverse();
                return $"{string.Join('\n', steps)}\nbefore the last steps:\n{states.Describe(next.State)}";
            }
        }

        return "and not when it was tried again";
    }

    private sealed record Way(Way? Before, Trail Trail);
}
