using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication.Scenarios;

/// <summary>An entry of a log, with the value that was proposed.</summary>
internal readonly record struct ScenarioEntry(long Term, long Offset, string Value)
{
    /// <summary>The value of an entry that begins a term.</summary>
    internal const string Begin = "begin";

    public override string ToString() => $"{Term}:{Offset}={Value}";
}

/// <summary>A message on its way between two of `0`, `1`, ... (nodes) and `e0`, `e1`, ... (elections), with the entries or the state that travel beside it.</summary>
internal sealed record ScenarioMessage(string From, string To, ReplicaMessage Message, IReadOnlyList<ScenarioEntry> Entries)
{
    public override string ToString() => $"{From}>{To} {ScenarioText.Of(Message, Entries)}";
}

/// <summary>Some of the ways between nodes and elections.</summary>
/// <param name="From">Who sends; `*` for everybody.</param>
/// <param name="To">Who receives; `*` for everybody.</param>
/// <param name="IsBothWays">Whether the way back is meant too.</param>
internal sealed record ScenarioWay(string From, string To, bool IsBothWays)
{
    internal static ScenarioWay Everywhere { get; } = new("*", "*", IsBothWays: false);

    /// <summary>`0>1`, `0>*`, `0-1` for both directions, `0` for everything from it and to it.</summary>
    internal static ScenarioWay Parse(string text)
    {
        string[] ends = text.Split('>', '-');
        return ends.Length == 1 ? new ScenarioWay(text, "*", IsBothWays: true) : new ScenarioWay(ends[0], ends[1], text.Contains('-', StringComparison.Ordinal));
    }

    internal bool Has(ScenarioMessage message) => Has(message.From, message.To) || (IsBothWays && Has(message.To, message.From));

    private bool Has(string from, string to) => (From == "*" || From == from) && (To == "*" || To == to);
}

/// <summary>How messages and statuses are written in a trace.</summary>
internal static class ScenarioText
{
    internal static string Of(ReplicaMessage message, IReadOnlyList<ScenarioEntry> entries)
    {
        string said = message switch
        {
            TermAnswer answer => $" {answer.Member}",
            BecomeLeader order => $" {order.Quorum} {string.Join(' ', order.Heads)}",
            LeaderReady ready => ready.IsSettled ? " settled" : " unsettled",
            Join join => $" {join.Node}",
            Joined joined => $" {joined.Node}",
            AddFollower add => $" {add.Member}",
            Truncate order => $" found {order.Found} to {order.To}",
            Truncated left => $" run {left.Run} head {left.Head}",
            Install install => $" run {install.Run} last {install.Last} state ({Values(entries)})",
            Append append => $" after {append.Before} [{string.Join(' ', entries)}] commit {append.Commit} round {append.Round}",
            Ack ack => $" run {ack.Run} durable {ack.Durable}{(ack.IsLost ? " lost" : "")} round {ack.Round}",
            Restore restore => $" run {restore.Run}",
            Restored restored => $" run {restored.Run}",
            _ => "",
        };
        return $"{message.GetType().Name} t{message.Term}{said}";
    }

    internal static string Of(ShardStatus status) =>
        $"t{status.Term} led by {(status.Leader == ShardStatus.Nobody ? "nobody" : status.Leader)}, ensemble {status.Quorum}{(status.Observer == ShardStatus.Nobody ? "" : $", observer {status.Observer}")}, written by {status.Nonce}";

    internal static string Of(ElectionEffect order) => order.Write is { } status ? $"Write over v{order.Over}: {Of(status)}" : "Read";

    /// <summary>What was proposed, of entries that may begin terms as well.</summary>
    internal static string Values(IEnumerable<ScenarioEntry> entries) => string.Join(' ', entries.Where(entry => entry.Value != ScenarioEntry.Begin).Select(entry => entry.Value));
}
