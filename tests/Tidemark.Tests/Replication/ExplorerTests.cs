using System.Diagnostics;
using System.Globalization;

using Xunit.Abstractions;

namespace Tidemark.Tests.Replication;

/// <summary>Every state that three replicas and their election can reach within a scope is visited, and no law is broken in any.</summary>
public sealed class ExplorerTests(ITestOutputHelper output)
{
    /// <summary>The highest term, entries proposed, crashes of each node. Whatever is sent may come late, never, or many times.</summary>
    [Theory]
    [InlineData(3, 2, 0)]
    [InlineData(2, 1, 1)]
    public void Every_state_of_three_replicas_keeps_the_laws(int terms, int values, int crashes) => Explore(new ExploredScope(terms, values, crashes));

    /// <summary>The election may lose its patience: with too few answers, with a store that does not answer, with a leader that is not ready.</summary>
    [Fact]
    public void Every_state_of_an_election_that_loses_its_patience_keeps_the_laws() => Explore(new ExploredScope(Terms: 2, Values: 1, Crashes: 0, Waits: 2));

    /// <summary>What the laws look at is the same whether states are left out as being without consequence, or not.</summary>
    [Theory]
    [InlineData(2, 0, 0, 0)]
    [InlineData(2, 0, 0, 2)]
    [InlineData(1, 1, 1, 0)]
    public void What_is_left_out_is_without_consequence(int terms, int values, int crashes, int waits)
    {
        var reduced = new ExploredScope(terms, values, crashes, waits);
        (Explorer some, Explorer all) = (Explore(reduced, keepsFacts: true), Explore(reduced with { IsReduced = false }, keepsFacts: true));
        Assert.Equal(all.Facts.Order(), some.Facts.Order());
        Assert.True(some.States * 10 < all.States, "the reductions leave out little");
    }

    /// <summary>An ensemble that shrinks from three to two, or grows to four by a node that is an observer first: whoever serves then has all that is committed.</summary>
    [Theory]
    [InlineData("2/1/0/0-")]
    [InlineData("2/1/0/1+")]
    public void Every_state_of_an_ensemble_that_changes_keeps_the_laws(string scope) => Explore(Parse(scope));

    /// <summary>build/soak.sh --explore asks for wide ones: terms/values/crashes of each node (and, after a colon, in all)/waits, with a sign where the ensemble changes. Else a small one.</summary>
    [Fact]
    public void Every_state_of_the_scope_asked_for_keeps_the_laws() =>
        Explore(Parse(Environment.GetEnvironmentVariable("TIDEMARK_EXPLORE") is { Length: > 0 } scope ? scope : "2/1/0/0"));

    private static ExploredScope Parse(string text)
    {
        string[] parts = text.TrimEnd('+', '-').Split('/');
        string[] crashes = parts[2].Split(':');
        return new ExploredScope(Number(parts[0]), Number(parts[1]), Number(crashes[0]), Number(parts[3]))
        {
            CrashesInAll = crashes.Length > 1 ? Number(crashes[1]) : int.MaxValue,
            Change = text[^1] switch { '+' => [0, 1, 2, 3], '-' => [0, 1], _ => null },
        };
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private Explorer Explore(ExploredScope scope, bool keepsFacts = false)
    {
        long begin = Stopwatch.GetTimestamp();
        var explorer = new Explorer(scope, Say) { KeepsFacts = keepsFacts };
        explorer.Run();
        Say($"{scope}: {explorer.States:N0} states, {explorer.Depth} levels, {Stopwatch.GetElapsedTime(begin).TotalSeconds:F0} s");
        return explorer;

        void Say(string line)
        {
            output.WriteLine(line);   // Shown when it is over; a wide scope takes hours.
            if (Environment.GetEnvironmentVariable("TIDEMARK_EXPLORE_LOG") is { Length: > 0 } file) File.AppendAllText(file, line + "\n");
        }
    }
}
