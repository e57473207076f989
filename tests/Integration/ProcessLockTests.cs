namespace Tidemark.Integration;

/// <summary>Who may have a directory, among processes.</summary>
public sealed class ProcessLockTests
{
    [Fact]
    public async Task Of_processes_that_want_one_directory_at_once_one_has_it_and_the_others_name_who()
    {
        using var folder = new LabFolder();
        var history = new LabHistory();
        int refused = 0;
        for (int round = 0; round < 4; round++)
        {
            Lab[] labs = [.. Enumerable.Range(1, 5).Select(i => Lab.Start("log-write", folder.Log, $"{(round * 10) + i}", "150"))];
            foreach (Lab lab in labs) await lab.WaitAsync();
            foreach (Lab lab in labs)
            {
                Assert.True(lab.ExitCode is 0 or 2, $"exit code {lab.ExitCode}: {lab.Errors}");
                Assert.Equal(lab.ExitCode == 0 ? 300 : 0, lab.Lines.Length);
                if (lab.ExitCode != 2) continue;
                refused++;
                Assert.Contains($"'{folder.Log}' is held by ", lab.Errors, StringComparison.Ordinal);
            }

            // They ran one after the other, in an order that only the log knows.
            using Lab verifier = await Lab.RunAsync("log-verify", folder.Log);
            Assert.True(verifier.ExitCode == 0, verifier.Errors);
            Lab[] winners = [.. labs.Where(lab => lab.ExitCode == 0).OrderBy(lab => Array.IndexOf(verifier.Lines, lab.Tried[0]))];
            Assert.NotEmpty(winners);
            foreach (Lab winner in winners) history.Add(winner);
            history.Check(verifier.Lines, $"round {round}");
            foreach (Lab lab in labs) lab.Dispose();
        }

        Assert.True(refused > 0, "no two of them ever met");
    }

    [Fact]
    public async Task A_second_writer_or_verifier_is_told_the_process_id_of_the_holder_and_changes_nothing()
    {
        using var folder = new LabFolder();
        await using SegmentedLog log = await SegmentedLog.OpenAsync(folder.Log);
        await log.AppendAsync("held"u8.ToArray());
        string[] before = Directory.GetFiles(folder.Log);
        foreach (string[] arguments in (string[][])[["log-write", folder.Log, "1", "5"], ["log-verify", folder.Log]])
        {
            using Lab second = await Lab.RunAsync(arguments);
            Assert.Equal(2, second.ExitCode);
            Assert.Empty(second.Lines);
            Assert.Contains($"process {Environment.ProcessId} on host '{Environment.MachineName}'", second.Errors, StringComparison.Ordinal);
        }

        Assert.Equal(before, Directory.GetFiles(folder.Log));
        Assert.Equal(1, await log.AppendAsync("still"u8.ToArray()));
    }

    [Fact]
    public async Task A_directory_that_was_let_go_of_is_free_whatever_programs_are_being_started()
    {
        using var folder = new TemporaryDirectory();
        using var done = new CancellationTokenSource();
        Task starting = Task.Run(async () =>
        {
            while (!done.IsCancellationRequested) await ChildProcess.RunAsync(OperatingSystem.IsWindows() ? "hostname" : "true", folder.Path);
        });
        for (int i = 0; i < 3_000; i++) DiskFileSystem.Instance.Lock(folder.At("lock")).Dispose();
        await done.CancelAsync();
        await starting;
    }
}
