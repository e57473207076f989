namespace Tidemark.Integration;

/// <summary>Makes system calls of a real process fail, and watches the order of those that do not.</summary>
public sealed class StraceTests
{
    public static TheoryData<string, string, int> Failures()
    {
        var cases = new TheoryData<string, string, int>();
        foreach (int nth in (int[])[1, 2, 3, 5, 9, 17, 33])
        {
            cases.Add("fdatasync", "EIO", nth);
            cases.Add("pwrite64", "EIO", nth);
        }

        foreach (int nth in (int[])[2, 6, 20])
        {
            cases.Add("fdatasync", "ENOSPC", nth);
            cases.Add("pwrite64", "ENOSPC", nth);
        }

        foreach (int nth in (int[])[1, 2, 3, 4])
        {
            cases.Add("fsync", "EIO", nth);
            cases.Add("rename", "EIO", nth);
        }

        return cases;
    }

    [ExternalFact("strace")]
    public async Task A_failed_flush_write_or_rename_is_reported_and_nothing_that_was_acknowledged_is_lost()
    {
        int reported = 0;
        foreach (object[] data in Failures())
        {
            (string call, string error, int nth) = ((string)data[0], (string)data[1], (int)data[2]);
            string story = $"{call} number {nth} fails with {error}";
            using var folder = new LabFolder();
            var history = new LabHistory();
            string[] inject = ["-e", $"trace={call}", "-e", $"inject={call}:error={error}:when={nth}"];
            using (Lab writer = Lab.StartTraced(folder.At("trace"), inject, "log-write", folder.Log, "1", "300", "--segment-bytes", "65536"))
            {
                await writer.WaitAsync();
                history.Add(writer);
                bool wasHit = File.ReadAllText(folder.At("trace")).Contains("INJECTED", StringComparison.Ordinal);
                if (!wasHit) continue;
                if (writer.ExitCode is 2 or 3)
                {
                    reported++;
                    Assert.NotEmpty(writer.Errors);
                }
                else
                {
                    // Only an error that was met where nothing was at stake may pass unseen: a refused file ahead of use, an index, a runtime file.
                    Assert.True(writer.ExitCode == 0 && call is not ("fdatasync" or "fsync"), $"{story}: exit code {writer.ExitCode}");
                }
            }

            using Lab verifier = await Lab.RunAsync("log-verify", folder.Log);
            Assert.True(verifier.ExitCode == 0, $"{story}: {verifier.Errors}");
            history.Check(verifier.Lines, story);
        }

        Assert.True(reported >= 15, $"only {reported} failures were met");
    }

    [ExternalFact("strace")]
    public async Task Every_acknowledgement_follows_a_flush_and_every_new_name_a_flush_of_its_directory()
    {
        using var folder = new LabFolder();
        string[] watch = ["-e", "trace=fdatasync,fsync,rename,renameat,renameat2,write,pwrite64", "-s", "32", "-y"];
        using (Lab writer = Lab.StartTraced(folder.At("trace"), watch, "log-write", folder.Log, "1", "400", "--segment-bytes", "65536"))
        {
            await writer.WaitAsync();
            Assert.True(writer.ExitCode == 0, writer.Errors);
        }

        bool renamed = false, written = false;
        int acknowledgements = 0, names = 0;
        foreach (string line in File.ReadLines(folder.At("trace")))
        {
            bool isOnlyBegun = line.Contains("<unfinished", StringComparison.Ordinal);
            if (isOnlyBegun && (line.Contains("sync(", StringComparison.Ordinal) || line.Contains("rename", StringComparison.Ordinal))) continue;
            if (line.Contains("rename(", StringComparison.Ordinal) || line.Contains("rename resumed", StringComparison.Ordinal))
            {
                renamed = true;
                names++;
            }
            else if (line.Contains(" fsync", StringComparison.Ordinal))
            {
                renamed = false;
            }
            else if (line.Contains("pwrite64(", StringComparison.Ordinal) && line.Contains(".log>", StringComparison.Ordinal))
            {
                Assert.False(renamed, $"a record was written before the directory of a new name was flushed: {line}");
                written = true;
            }
            else if (line.Contains("fdatasync", StringComparison.Ordinal))
            {
                written = false;
            }
            else if (line.Contains("\"ack ", StringComparison.Ordinal))
            {
                acknowledgements++;
                if (acknowledgements == 1) Assert.False(written, "the first acknowledgement came before a flush");
            }
        }

        Assert.True(acknowledgements == 400 && names >= 3, $"{acknowledgements} acknowledgements and {names} names were seen");
    }
}
