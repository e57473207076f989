namespace Tidemark.Tests.Replication.Scenarios;

/// <summary>Every `.scenario` file of this folder says to the letter what its commands do. How to read, write and rewrite one: README.md beside them.</summary>
public sealed class ScenarioTests
{
    private const string Update = "TIDEMARK_UPDATE_GOLDEN";

    private static string Folder => RepositoryRoot.At("tests", "Tidemark.Tests", "Replication", "Scenarios");

    public static TheoryData<string> Names => [.. Directory.GetFiles(Folder, "*.scenario").Select(file => Path.GetFileNameWithoutExtension(file)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_scenario_goes_as_it_is_written(string name)
    {
        string path = Path.Join(Folder, $"{name}.scenario");
        string[] expected = File.ReadAllLines(path);
        Assert.True(expected is [['#', ..], ..], $"{name} does not begin with what it shows");
        string found = ScenarioScript.Run(expected);
        if (Environment.GetEnvironmentVariable(Update) == "1")
        {
            File.WriteAllText(path, found);
            return;
        }

        string[] lines = found.TrimEnd('\n').Split('\n');
        if (expected.SequenceEqual(lines)) return;
        Assert.Fail(
            $"{name} goes another way (- as written, + as it went):\n{string.Join('\n', Difference(expected, lines))}\n"
            + $"If that is meant, run the test with {Update}=1 and review the file's diff like code.");
    }

    [Fact]
    public void There_are_scenarios() => Assert.True(Directory.GetFiles(Folder, "*.scenario").Length >= 25, "some scenarios are missing");

    /// <summary>What is only in one of two texts, in order, each piece below the command it belongs to.</summary>
    private static List<string> Difference(string[] before, string[] after)
    {
        int[,] common = new int[before.Length + 1, after.Length + 1];   // Of what is left of both, the longest part they share.
        for (int i = before.Length - 1; i >= 0; i--)
        {
            for (int j = after.Length - 1; j >= 0; j--)
                common[i, j] = before[i] == after[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
        }

        List<string> difference = [];
        string command = "", told = "";
        for (int i = 0, j = 0; i < before.Length || j < after.Length;)
        {
            if (i < before.Length && j < after.Length && before[i] == after[j])
            {
                if (!before[i].StartsWith(' ')) command = $"line {i + 1}: {before[i]}";
                (i, j) = (i + 1, j + 1);
                continue;
            }

            if (command != told) difference.Add(command);
            told = command;
            if (j == after.Length || (i < before.Length && common[i + 1, j] >= common[i, j + 1])) difference.Add($"- {before[i++]}");
            else difference.Add($"+ {after[j++]}");
        }

        return difference;
    }
}
