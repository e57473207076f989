namespace Tidemark.Integration;

/// <summary>Kills the crash lab at random moments, also while it recovers, and compares what it acknowledged with what is there.</summary>
public sealed class KillTests
{
    private static readonly int Factor = int.TryParse(Environment.GetEnvironmentVariable("TIDEMARK_SOAK"), out int factor) ? factor : 1;

    [Fact]
    public async Task Nothing_acknowledged_is_lost_when_the_process_is_killed_at_any_moment()
    {
        using var folder = new LabFolder();
        var history = new LabHistory();
        var random = new Random(1);
        int rounds = 24 * Factor;
        for (int round = 1; round <= rounds; round++)
        {
            using Lab writer = Lab.Start("log-write", folder.Log, $"{round}", "100000");
            await writer.WaitForLinesAsync(random.Next(1, 3000));
            await writer.KillAsync();
            history.Add(writer);

            if (round % 3 == 0)
            {
                // Kill the one that recovers, too: at start-up, where most of its work is.
                using Lab recovering = Lab.Start("log-verify", folder.Log);
                await Task.Delay(random.Next(20, 150));
                await recovering.KillAsync();
            }

            if (round % 4 != 0 && round != rounds) continue;
            using Lab verifier = await Lab.RunAsync("log-verify", folder.Log);
            Assert.True(verifier.ExitCode == 0, verifier.Errors);
            history.Check(verifier.Lines, $"round {round}");
        }

        Assert.True(history.AcknowledgedCount > 1000, $"only {history.AcknowledgedCount} acknowledged");
    }

    [Fact]
    public async Task A_write_torn_in_half_behind_the_last_acknowledged_record_is_cut_and_nothing_else()
    {
        using var folder = new LabFolder();
        var history = new LabHistory();
        var random = new Random(2);
        for (int round = 1; round <= 8 * Factor; round++)
        {
            using Lab writer = Lab.Start("log-write", folder.Log, $"{round}", "100000");
            await writer.WaitForLinesAsync(random.Next(10, 500));
            await writer.KillAsync();
            history.Add(writer);
            Tear(folder.Log, random);
            using Lab verifier = await Lab.RunAsync("log-verify", folder.Log);
            Assert.True(verifier.ExitCode == 0, verifier.Errors);
            history.Check(verifier.Lines, $"round {round}");
        }
    }

    [Fact]
    public async Task A_second_process_is_refused_and_told_who_holds_the_directory()
    {
        using var folder = new LabFolder();
        using Lab holder = Lab.Start("log-write", folder.Log, "1", "1000000");
        await holder.WaitForLinesAsync(1);
        using Lab second = await Lab.RunAsync("log-verify", folder.Log);
        Assert.Equal(2, second.ExitCode);
        Assert.Matches(@"held by process \d+ on host", second.Errors);

        // A group on the parent sees it as well, in this process.
        await using (LogGroup group = LogGroup.Open(Path.GetDirectoryName(folder.Log)!))
            await Assert.ThrowsAsync<DirectoryLockedException>(async () => await group.OpenLogAsync(Path.GetFileName(folder.Log)));

        // The holder's end, however sudden, lets the directory go.
        await holder.KillAsync();
        await using (LogGroup group = LogGroup.Open(Path.GetDirectoryName(folder.Log)!))
        {
            using Lab third = await Lab.RunAsync("log-verify", folder.Log);
            Assert.Equal(2, third.ExitCode);
            Assert.Contains($"process {Environment.ProcessId} ", third.Errors, StringComparison.Ordinal);
        }

        using Lab fourth = await Lab.RunAsync("log-verify", folder.Log);
        Assert.Equal(0, fourth.ExitCode);
    }

    /// <summary>Puts half a record behind the end of the last segment: a header that was written and a payload of which some sectors were not.</summary>
    private static void Tear(string directory, Random random)
    {
        string path = Directory.GetFiles(directory, "*.log").Order(StringComparer.Ordinal).Last();
        byte[] bytes = File.ReadAllBytes(path);
        int end = bytes.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
        end = (end + 7) & ~7;
        byte[] half = new byte[random.Next(1, 48)];   // Less than a header, so no length can be believed.
        random.NextBytes(half);
        if (end + 48 > bytes.Length) Array.Resize(ref bytes, end + 48);
        half.CopyTo(bytes, end);
        File.WriteAllBytes(path, bytes);
    }
}

/// <summary>A directory of one test's own, with a log in it.</summary>
internal sealed class LabFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("tidemark-lab-").FullName;

    internal string Log => Path.Combine(_path, "log");

    internal string At(string name) => Path.Combine(_path, name);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
