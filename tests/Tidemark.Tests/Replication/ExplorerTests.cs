using System.Diagnostics;

using Xunit.Abstractions;

namespace Tidemark.Tests.Replication;

/// <summary>Every state that three replicas and their election can reach within a small scope is visited, and no law is broken in any.</summary>
public sealed class ExplorerTests(ITestOutputHelper output)
{
    /// <summary>Narrow in all but one respect each: terms, messages that come twice, heartbeats, crashes at every moment.</summary>
    [Theory]
    [InlineData(3, 1, 0, 0, 0)]
    [InlineData(2, 1, 0, 1, 0)]
    [InlineData(2, 1, 0, 0, 1)]
    [InlineData(2, 1, 1, 0, 0)]
    public void Every_state_of_three_replicas_keeps_the_laws(int terms, int values, int crashes, int doubles, int ticks)
    {
        var scope = new ExploredScope(terms, values, crashes, doubles, ticks);
        long begin = Stopwatch.GetTimestamp();
        int states = Explore(scope);
        output.WriteLine($"{scope}: {states:N0} states in {Stopwatch.GetElapsedTime(begin).TotalSeconds:F0} s");
        Assert.True(states > 50_000, "the explorer did not get far");
    }

    /// <summary>Depth first; a state is remembered by its fingerprint.</summary>
    internal static int Explore(ExploredScope scope)
    {
        var seen = new HashSet<UInt128>();
        var path = new Stack<(string What, IEnumerator<(string What, ExploredCluster Next)> Steps)>();
        ExploredCluster first = ExploredCluster.WithLeader(scope);
        seen.Add(first.Fingerprint());
        path.Push(("a leader of the first term", first.Steps().GetEnumerator()));
        try
        {
            while (path.TryPeek(out (string What, IEnumerator<(string What, ExploredCluster Next)> Steps) top))
            {
                if (!top.Steps.MoveNext())
                {
                    path.Pop().Steps.Dispose();
                    continue;
                }

                (string what, ExploredCluster next) = top.Steps.Current;
                if (!seen.Add(next.Fingerprint())) continue;
                path.Push((what, next.Steps().GetEnumerator()));
            }
        }
        catch (InvalidOperationException e)
        {
            Assert.Fail($"{seen.Count} states, then {e.Message}\n{string.Join('\n', path.Reverse().Select(step => step.What))}");
        }

        return seen.Count;
    }
}
