using Tidemark.Tests;

namespace Tidemark.Integration;

/// <summary>Kills the crash lab at random moments, also while it recovers, and compares what it acknowledged with what is there.</summary>
public sealed class KillTests
{
    [Fact]
    public Task Nothing_acknowledged_is_lost_when_the_process_is_killed_at_any_moment() => KillAndCheckAsync("log", 24, 3000);

    [Fact]
    public Task Nothing_put_is_lost_when_the_process_is_killed_at_any_moment() => KillAndCheckAsync("kv", 12, 1500);

    [ExternalFact("liblmdb0")]
    public Task Nothing_put_is_lost_on_lmdb_when_the_process_is_killed_at_any_moment() => KillAndCheckAsync("kv", 12, 1500, "--engine", "lmdb");

    [ExternalFact("libsqlite3-0")]
    public Task Nothing_put_is_lost_on_sqlite_when_the_process_is_killed_at_any_moment() => KillAndCheckAsync("kv", 12, 1500, "--engine", "sqlite");

    private static async Task KillAndCheckAsync(string kind, int roundsOnce, int mostLines, params string[] arguments)
    {
        using var folder = new LabFolder();
        var history = new LabHistory();
        var random = new Random(1);
        int rounds = roundsOnce * Soak.Factor;
        for (int round = 1; round <= rounds; round++)
        {
            using Lab writer = Lab.Start([kind + "-write", folder.Log, $"{round}", "100000", .. arguments]);
            await writer.WaitForLinesAsync(random.Next(1, mostLines));
            await writer.KillAsync();
            history.Add(writer);

            if (round % 3 == 0)
            {
                // Kill the one that recovers, too: at start-up, where most of its work is.
                using Lab recovering = Lab.Start(kind + "-verify", folder.Log);
                await Task.Delay(random.Next(20, 150));
                await recovering.KillAsync();
            }

            if (round % 4 != 0 && round != rounds) continue;
            using Lab verifier = await Lab.RunAsync(kind + "-verify", folder.Log);
            Assert.True(verifier.ExitCode == 0, verifier.Errors);
            history.Check(verifier.Lines, $"round {round}");
        }

        Assert.True(history.AcknowledgedCount > 1000, $"only {history.AcknowledgedCount} acknowledged");
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
