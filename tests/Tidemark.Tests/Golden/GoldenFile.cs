namespace Tidemark.Tests.Golden;

/// <summary>A text kept in the repository that a test must reproduce to the letter.</summary>
internal static class GoldenFile
{
    private const string Update = "TIDEMARK_UPDATE_GOLDEN";

    /// <summary>Compares with tests/Tidemark.Tests/Golden/<paramref name="name"/>, or rewrites it where TIDEMARK_UPDATE_GOLDEN=1 is set.</summary>
    public static void AssertSame(string name, string actual)
    {
        string path = RepositoryRoot.At("tests", "Tidemark.Tests", "Golden", name);
        if (Environment.GetEnvironmentVariable(Update) == "1")
        {
            File.WriteAllText(path, actual);
            return;
        }
        string[] expected = File.Exists(path) ? File.ReadAllLines(path) : [];
        string[] found = actual.TrimEnd('\n').Split('\n');
        if (expected.SequenceEqual(found)) return;
        IEnumerable<string> gone = expected.Except(found).Select(line => "- " + line);
        IEnumerable<string> fresh = found.Except(expected).Select(line => "+ " + line);
        Assert.Fail(
            $"{name} is not what the code says:\n{string.Join('\n', gone.Concat(fresh))}\n"
            + $"If that is meant, run the test with {Update}=1 and review the file's diff like code.");
    }
}
