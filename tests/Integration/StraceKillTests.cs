using Tidemark.Tests;

namespace Tidemark.Integration;

/// <summary>Kills a real process at the first, second, third … of its writes, flushes, renames and removals, so that no moment is left to chance.</summary>
public sealed class StraceKillTests
{
    private static readonly string[] Calls = ["pwrite64", "fdatasync", "fsync", "?rename,?renameat,?renameat2", "ftruncate", "?unlink,?unlinkat"];

    [ExternalFact("strace")]
    public async Task A_log_killed_at_any_call_of_its_creation_and_first_segments_keeps_what_it_acknowledged()
    {
        int kills = 0;
        foreach (string call in Calls)
        {
            for (int nth = 1; nth <= 14 * Repeats; nth++)
            {
                string story = $"killed at {call} number {nth} of a thread";
                using var folder = new LabFolder();
                using Lab writer = await KillAtAsync(folder, call, nth, "log-write", folder.Log, "1", "100", "--segment-bytes", "16384");
                if (writer.ExitCode == 0) break;
                kills++;
                var history = new LabHistory();
                history.Add(writer);
                await CheckAsync(folder.Log, history, story);

                // And goes on behind it.
                using Lab next = await Lab.RunAsync("log-write", folder.Log, "2", "20", "--segment-bytes", "16384");
                Assert.True(next.ExitCode == 0, $"{story}, then again: {next.Errors}");
                history.Add(next);
                await CheckAsync(folder.Log, history, $"{story}, then again");
            }
        }

        Assert.True(kills >= 35, $"only {kills} kills");
    }

    [ExternalFact("strace")]
    public async Task A_recovery_killed_at_any_call_is_done_again_with_the_same_result()
    {
        using var crashed = new LabFolder();
        using (Lab writer = Lab.Start("log-write", crashed.Log, "1", "100000", "--segment-bytes", "65536"))
        {
            await writer.WaitForLinesAsync(600);
            await writer.KillAsync();
        }

        TailDamage.AppendHalfAHeader(crashed.Log);
        string[] survivors;
        using (var untouched = new LabFolder())
        {
            CrashedCopy.Of(crashed.Log, untouched.Log);
            using Lab verifier = await Lab.RunAsync("log-verify", untouched.Log);
            Assert.True(verifier.ExitCode == 0, verifier.Errors);
            survivors = verifier.Lines;
        }

        int kills = 0;
        foreach (string call in Calls)
        {
            for (int nth = 1; nth <= 20; nth++)
            {
                using var folder = new LabFolder();
                CrashedCopy.Of(crashed.Log, folder.Log);
                using (Lab recovery = await KillAtAsync(folder, call, nth, "log-verify", folder.Log))
                {
                    if (recovery.ExitCode == 0) break;
                }

                kills++;
                using Lab verifier = await Lab.RunAsync("log-verify", folder.Log);
                Assert.True(verifier.ExitCode == 0, $"killed at {call} number {nth}: {verifier.Errors}");
                Assert.Equal(survivors, verifier.Lines);
            }
        }

        Assert.True(kills >= 10, $"only {kills} kills");
    }

    private static int Repeats { get; } = Soak.Factor > 1 ? 4 : 1;

    private static async Task<Lab> KillAtAsync(LabFolder folder, string call, int nth, params string[] arguments)
    {
        Lab lab = Lab.StartTraced(folder.At("trace"), ["-e", $"trace={call}", "-e", $"inject={call}:signal=KILL:when={nth}"], arguments);
        await lab.WaitAsync();
        Assert.True(lab.ExitCode is 0 or 137, $"exit code {lab.ExitCode}, {lab.Errors}");
        return lab;
    }

    private static async Task CheckAsync(string directory, LabHistory history, string story)
    {
        using Lab verifier = await Lab.RunAsync("log-verify", directory);
        Assert.True(verifier.ExitCode == 0, $"{story}: {verifier.Errors}");
        history.Check(verifier.Lines, story);
    }
}
