namespace Tidemark.Integration;

/// <summary>The script that says whether a run was good must itself not be fooled: build/tally.sh.</summary>
public sealed class TallyTests : IDisposable
{
    private readonly TemporaryDirectory _results = new();

    public void Dispose() => _results.Dispose();

    [ExternalFact("bash")]
    public async Task Passed_tests_are_summed_over_the_projects()
    {
        Write("A", total: 5, passed: 5);
        Write("B", total: 7, passed: 7);
        Assert.Equal((0, "12 passed, 0 failed"), await TallyAsync("A", "B"));
    }

    [ExternalFact("bash")]
    public async Task A_failed_test_fails_the_run()
    {
        Write("A", total: 5, passed: 3, failed: 2, outcome: "Failed");
        Assert.Equal((1, "3 passed, 2 failed"), await TallyAsync("A"));
    }

    [ExternalFact("bash")]
    public async Task A_skipped_test_counts_as_failed()
    {
        Write("A", total: 5, passed: 4);
        Assert.Equal((1, "4 passed, 1 failed"), await TallyAsync("A"));
    }

    [ExternalFact("bash")]
    public async Task A_missing_result_file_counts_as_failed()
    {
        Write("A", total: 5, passed: 5);
        Assert.Equal((1, "5 passed, 1 failed"), await TallyAsync("A", "B"));
    }

    [ExternalFact("bash")]
    public async Task An_empty_file_and_one_that_was_cut_off_count_as_failed()
    {
        File.WriteAllText(_results.At("A.trx"), "");
        File.WriteAllText(_results.At("B.trx"), "<TestRun><Results>");
        File.WriteAllText(_results.At("C.trx"), "<TestRun><ResultSummary outcome=\"Completed\"><Counters tot");
        Assert.Equal((1, "0 passed, 3 failed"), await TallyAsync("A", "B", "C"));
    }

    [ExternalFact("bash")]
    public async Task A_run_without_tests_counts_as_failed()
    {
        Write("A", total: 0, passed: 0);
        Assert.Equal((1, "0 passed, 1 failed"), await TallyAsync("A"));
    }

    [ExternalFact("bash")]
    public async Task A_run_that_was_aborted_after_its_last_good_test_counts_as_failed()
    {
        Write("A", total: 5, passed: 5, outcome: "Failed");
        Assert.Equal((1, "5 passed, 1 failed"), await TallyAsync("A"));
    }

    [ExternalFact("bash")]
    public async Task A_step_counts_as_one_and_nothing_at_all_is_no_success()
    {
        Assert.Equal((1, "1 passed, 1 failed"), await BashAsync("step good true; step bad false; finish"));
        Assert.Equal((1, "0 passed, 0 failed"), await BashAsync("finish"));
    }

    [ExternalFact("bash")]
    public async Task Every_test_project_is_run()
    {
        string[] found = [.. Directory.EnumerateFiles(RepositoryRoot.At("tests"), "*.csproj", SearchOption.AllDirectories)
            .Where(path => File.ReadAllText(path).Contains("<IsTestProject>true", StringComparison.Ordinal))
            .Select(path => Path.GetRelativePath(RepositoryRoot.Path, path))];
        ProcessResult listed = await ChildProcess.RunAsync("bash", RepositoryRoot.Path, "-c", ". build/tally.sh; test_projects");
        Assert.Equal(found.Order(StringComparer.Ordinal), listed.Output.TrimEnd().Split('\n').Order(StringComparer.Ordinal));
    }

    private void Write(string name, int total, int passed, int failed = 0, string outcome = "Completed") => File.WriteAllText(_results.At(name + ".trx"), $"""
        <?xml version="1.0" encoding="utf-8"?>
        <TestRun id="1" xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010">
          <ResultSummary outcome="{outcome}">
            <Counters total="{total}" executed="{passed + failed}" passed="{passed}" failed="{failed}" error="0" timeout="0" aborted="0" />
          </ResultSummary>
        </TestRun>
        """);

    private Task<(int ExitCode, string LastLine)> TallyAsync(params string[] names) =>
        BashAsync(string.Concat(names.Select(name => $"tally_trx '{_results.At(name + ".trx")}'; ")) + "finish");

    private static async Task<(int ExitCode, string LastLine)> BashAsync(string commands)
    {
        ProcessResult result = await ChildProcess.RunAsync("bash", RepositoryRoot.Path, "-c", $"set -u; . build/tally.sh; {commands}");
        return (result.ExitCode, result.Output.TrimEnd().Split('\n')[^1]);
    }
}
