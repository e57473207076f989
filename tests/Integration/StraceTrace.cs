using System.Globalization;
using System.Text.RegularExpressions;

namespace Tidemark.Integration;

/// <summary>One system call as strace saw it. Line numbers order the calls of all threads: a thread stands still until its line is written.</summary>
/// <param name="Name">The call.</param>
/// <param name="Arguments">Its arguments, paths of descriptors included.</param>
/// <param name="Result">What it returned; -1 for an error.</param>
/// <param name="Started">The line in which it began.</param>
/// <param name="Ended">The line in which it returned.</param>
/// <param name="IsInjected">Whether strace made it fail without running it.</param>
internal sealed partial record TracedCall(string Name, string Arguments, long Result, int Started, int Ended, bool IsInjected)
{
    internal bool Succeeded => Result >= 0;

    /// <summary>The file behind the descriptor it was given, or its first path.</summary>
    internal string Path => FirstPath().Match(Arguments) is { Success: true } match ? match.Groups[1].Value + match.Groups[2].Value : "";

    /// <summary>For a rename: the old and the new path.</summary>
    internal (string From, string To) Names
    {
        get
        {
            MatchCollection quoted = Quoted().Matches(Arguments);
            return (quoted[0].Groups[1].Value, quoted[1].Groups[1].Value);
        }
    }

    /// <summary>What was written, if that is a line of the lab's.</summary>
    internal string? Line => Name == "write" && Quoted().Match(Arguments) is { Success: true } match ? match.Groups[1].Value.Replace("\\n", "", StringComparison.Ordinal) : null;

    [GeneratedRegex("^(?:[0-9]+<([^>]*)>|(?:AT_FDCWD[^,]*, )?\"([^\"]*)\")")]
    private static partial Regex FirstPath();

    [GeneratedRegex("\"([^\"]*)\"")]
    private static partial Regex Quoted();
}

/// <summary>Reads what <c>strace -f -y</c> wrote: calls that were interrupted by other threads are put together again.</summary>
internal static partial class StraceTrace
{
    internal static List<TracedCall> Read(string file)
    {
        List<TracedCall> calls = [];
        Dictionary<string, (string Name, string Arguments, int Started)> open = [];
        int number = 0;
        foreach (string line in File.ReadLines(file))
        {
            number++;
            if (Whole().Match(line) is { Success: true } whole)
            {
                calls.Add(Call(whole.Groups["name"].Value, whole.Groups["args"].Value, whole, number, number));
            }
            else if (Begun().Match(line) is { Success: true } begun)
            {
                open[begun.Groups["thread"].Value] = (begun.Groups["name"].Value, begun.Groups["args"].Value, number);
            }
            else if (Resumed().Match(line) is { Success: true } resumed && open.Remove(resumed.Groups["thread"].Value, out var start))
            {
                calls.Add(Call(start.Name, start.Arguments + resumed.Groups["args"].Value, resumed, start.Started, number));
            }
        }

        return calls;
    }

    private static TracedCall Call(string name, string arguments, Match match, int started, int ended) => new(
        name, arguments, long.Parse(match.Groups["result"].Value, CultureInfo.InvariantCulture), started, ended,
        match.Groups["rest"].Value.Contains("(INJECTED)", StringComparison.Ordinal));

    [GeneratedRegex(@"^(?<thread>\d+)\s+(?<name>\w+)\((?<args>.*)\)\s+= (?<result>-?\d+)(?<rest>.*)$")]
    private static partial Regex Whole();

    [GeneratedRegex(@"^(?<thread>\d+)\s+(?<name>\w+)\((?<args>.*) <unfinished \.\.\.>$")]
    private static partial Regex Begun();

    [GeneratedRegex(@"^(?<thread>\d+)\s+<\.\.\. \w+ resumed>(?<args>.*)\)\s+= (?<result>-?\d+)(?<rest>.*)$")]
    private static partial Regex Resumed();
}
