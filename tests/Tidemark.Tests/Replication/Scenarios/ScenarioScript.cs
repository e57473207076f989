using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication.Scenarios;

/// <summary>A script of commands, and what each of them does. The commands are explained in README.md beside this file.</summary>
internal sealed class ScenarioScript
{
    private readonly ScenarioCluster _cluster = new();

    /// <summary>The script with what happens written under each command; comments and empty lines stay, what stood there before is left out.</summary>
    internal static string Run(IEnumerable<string> lines)
    {
        var script = new ScenarioScript();
        var text = new System.Text.StringBuilder();
        int number = 0;
        foreach (string line in lines)
        {
            number++;
            if (line.StartsWith(' ')) continue;
            text.Append(line).Append('\n');
            if (line.Length == 0 || line.StartsWith('#')) continue;
            foreach (string said in script.Run(line, number)) text.Append("  ").Append(said).Append('\n');
        }

        return text.ToString();
    }

    private string[] Run(string command, int number)
    {
        string[] words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        bool isQuiet = words[0] == "quietly";
        try
        {
            Run(isQuiet ? words[1..] : words);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"Line {number}, {command}: {e.Message}\n{string.Join('\n', _cluster.Said())}", e);
        }

        string[] said = _cluster.Said();
        return isQuiet ? ["ok"] : said;
    }

    private void Run(string[] words)
    {
        string name = words[0];
        string[] rest = words[1..];
        switch (name)
        {
            case "nodes": _cluster.AddNodes(int.Parse(rest[0]), new ReplicaLimits(Number(rest, "window", 8), Number(rest, "batch", 4))); break;
            case "ensemble": _cluster.SetEnsemble(Nodes(rest)); break;
            case "election": _cluster.AddElection(rest[0], new ElectionLimits(Number(rest, "grace", 0), Number(rest, "patience", 2))); break;
            case "elect": _cluster.ElectAnew(rest[0]); break;
            case "tick": Tick(rest[0], rest.Length > 1 ? int.Parse(rest[1]) : 1); break;
            case "suspect": _cluster.Elect(rest[0], (core, effects) => core.Suspect(int.Parse(rest[1]), effects)); break;
            case "change": _cluster.Elect(rest[0], (core, effects) => Change(core, Nodes(rest[1..]), effects)); break;
            case "propose": Node(rest).Propose(rest[1..]); break;
            case "read": Node(rest).Read(rest.Length > 1 ? int.Parse(rest[1]) : 1); break;
            case "flush": Node(rest).Flush(); break;
            case "save": Node(rest).Save(); break;
            case "fetch": Node(rest).Fetch(); break;
            case "trim": Node(rest).Trim(long.Parse(rest[1])); break;
            case "crash": Node(rest).Crash(isKept: rest[1..] is ["keeping"]); break;
            case "start": Node(rest).Start(); break;
            case "wipe": Node(rest).Wipe(rest[1..] is ["unnoticed"] ? null : _cluster.Term); break;
            case "deliver" when rest is ["one", string way]: _cluster.Deliver(ScenarioWay.Parse(way), isOne: true); break;
            case "deliver": _cluster.Deliver(Way(rest), isOne: false); break;
            case "drop" when rest is ["one", string way]: _cluster.Drop(ScenarioWay.Parse(way), isOne: true); break;
            case "drop": _cluster.Drop(Way(rest), isOne: false); break;
            case "duplicate": _cluster.Duplicate(Way(rest)); break;
            case "hold" when rest is ["now", string way]: _cluster.Hold(ScenarioWay.Parse(way), isNowOnly: true); break;
            case "hold": _cluster.Hold(Way(rest), isNowOnly: false); break;
            case "release": _cluster.Release(Way(rest)); break;
            case "cut": _cluster.Cut(Way(rest)); break;
            case "heal": _cluster.Heal(); break;
            case "settle": _cluster.Settle(); break;
            case "store": Store(rest); break;
            case "status": _cluster.ShowStatus(); break;
            case "network": _cluster.ShowNetwork(); break;
            case "state": Each(rest, _cluster.Show); break;
            case "log": Each(rest, node => _cluster.Say(_cluster.Nodes[int.Parse(node)].Entries())); break;
            default: throw new FormatException("there is no such command");
        }
    }

    private void Tick(string name, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (name.StartsWith('e')) _cluster.Elect(name, (core, effects) => core.Tick(effects));
            else _cluster.Nodes[int.Parse(name)].Tick();
        }
    }

    private void Change(ElectionCore core, int[] ensemble, List<ElectionEffect> effects)
    {
        if (!core.Change(ensemble, effects)) _cluster.Say("refused");
    }

    private void Store(string[] rest)
    {
        switch (rest)
        {
            case ["answer"]: _cluster.Answer(null, isDone: true, isAnswered: true); break;
            case ["answer", string election]: _cluster.Answer(election, isDone: true, isAnswered: true); break;
            case ["lose", "answer", string election]: _cluster.Answer(election, isDone: true, isAnswered: false); break;
            case ["lose", "call", string election]: _cluster.Answer(election, isDone: false, isAnswered: false); break;
            case ["delay", string election]: _cluster.Delay(election); break;
            default: throw new FormatException("store answer [e0], store delay e0, store lose answer e0, store lose call e0");
        }
    }

    private void Each(string[] names, Action<string> show)
    {
        foreach (string name in names.Length > 0 ? names : [.. Enumerable.Range(0, _cluster.Nodes.Count).Select(node => $"{node}")]) show(name);
    }

    private ScenarioNode Node(string[] rest) => _cluster.Nodes[int.Parse(rest[0])];

    private static ScenarioWay Way(string[] rest) => rest.Length == 0 ? ScenarioWay.Everywhere : ScenarioWay.Parse(rest[0]);

    private static int[] Nodes(string[] words) => [.. words.Select(int.Parse)];

    /// <summary>The number behind `name=`.</summary>
    private static int Number(string[] words, string name, int otherwise) =>
        words.FirstOrDefault(word => word.StartsWith($"{name}=", StringComparison.Ordinal)) is { } word ? int.Parse(word[(name.Length + 1)..]) : otherwise;
}
