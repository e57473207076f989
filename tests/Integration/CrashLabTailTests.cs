using Tidemark.Tests;
using System.Globalization;

namespace Tidemark.Integration;

/// <summary>Damages what lies behind the last acknowledged record of a killed log: cut at any byte, sectors that were never written, bytes that nobody wrote.</summary>
public sealed class CrashLabTailTests
{
    private const int Sector = 512;

    [Fact]
    public async Task Damage_behind_the_last_acknowledged_record_costs_none_before_it()
    {
        var random = new Random(4);
        int cases = 0, opened = 0;
        await using LabServer server = LabServer.Start();
        for (int round = 1; round <= 4 * Soak.Factor; round++)
        {
            using var folder = new LabFolder();
            using Lab writer = Lab.Start("log-write", folder.Log, $"{round}", "100000", "--segment-bytes", "65536");
            await writer.WaitForLinesAsync(random.Next(50, 700));
            await writer.KillAsync();
            KilledLog killed = await KilledLog.ReadAsync(folder, writer);

            // What a crash of the machine leaves of writes that were not flushed: fewer bytes, or sectors without them. It must open.
            for (int i = 0; i < 9; i++)
            {
                int cut = random.Next(killed.OwedBytes, killed.LastBytes.Length + 1);
                Assert.Equal(0, await DamageAsync(killed.LastBytes[..cut], $"cut at {cut}"));
                byte[] zeroed = [.. killed.LastBytes];
                zeroed.AsSpan(Math.Max(killed.OwedBytes, random.Next(killed.OwedBytes, killed.DataEnd + Sector) / Sector * Sector)).Clear();
                Assert.Equal(0, await DamageAsync(zeroed, "zeros to the end"));
            }

            // What no crash leaves: the log may refuse, by name.
            for (int i = 0; i < 9; i++)
            {
                byte[] garbage = new byte[random.Next(1, 2000)];
                random.NextBytes(garbage);
                int at = random.Next(killed.OwedBytes, killed.DataEnd + 4096);
                byte[] overwritten = [.. killed.LastBytes];
                if (at + garbage.Length > overwritten.Length) Array.Resize(ref overwritten, at + garbage.Length);
                garbage.CopyTo(overwritten, at);
                if (await DamageAsync(overwritten, $"{garbage.Length} bytes of garbage at {at}") == 0) opened++;
                if (await DamageAsync([.. killed.LastBytes, .. garbage], $"longer by {garbage.Length} bytes of garbage") == 0) opened++;
            }

            async Task<int> DamageAsync(byte[] last, string what)
            {
                using var copy = new LabFolder();
                CrashedCopy.Of(folder.Log, copy.Log);
                await File.WriteAllBytesAsync(TailDamage.LastSegment(copy.Log), last);
                (int exitCode, int survived, string message) = await server.AskAsync(copy.Log);
                string story = $"round {round}, {what}: {exitCode} survived={survived} of {killed.Survivors}, owed {killed.Owed} {message}";
                Assert.True(exitCode == 0 ? survived >= killed.Owed && survived <= killed.Survivors : exitCode == 2, story);
                Assert.True(exitCode == 0 || message.Contains(copy.Log, StringComparison.Ordinal), story);
                Assert.DoesNotContain("Unexpected", message, StringComparison.Ordinal);
                cases++;
                return exitCode;
            }
        }

        Assert.True(cases >= 140 && opened > 0, $"{cases} cases, {opened} with garbage opened");
    }

    /// <summary>Whatever a path leads to, the server answers one line and lives on.</summary>
    [Fact]
    public async Task The_verifying_server_answers_every_line_whatever_it_is_shown()
    {
        using var folder = new LabFolder();
        using (Lab writer = await Lab.RunAsync("log-write", folder.Log, "1", "30")) Assert.Equal(0, writer.ExitCode);
        string junk = Directory.CreateDirectory(folder.At("junk")).FullName;
        await File.WriteAllTextAsync(Path.Combine(junk, "00000000000000000000.log"), "not a segment");
        await File.WriteAllTextAsync(Path.Combine(junk, "manifest"), "not a manifest");
        Directory.CreateDirectory(folder.At("stranger/manifest"));
        string file = folder.At("file");
        await File.WriteAllTextAsync(file, "");

        await using LabServer server = LabServer.Start();
        foreach (string path in (string[])["", "\0", file, junk, folder.At("stranger"), "/proc/self/nothing", new string('x', 5000)])
        {
            (int exitCode, int survived, string message) = await server.AskAsync(path);
            Assert.True(exitCode == 2 && survived == 0 && message.Length > 0, $"'{path}': {exitCode} survived={survived} {message}");
        }

        Assert.Equal((0, 30, "whole"), await server.AskAsync(folder.Log));
    }

    /// <summary>A killed log: what it owes, and where in its last segment that ends.</summary>
    /// <param name="Survivors">The records that are there.</param>
    /// <param name="Owed">How many of them, from the first, were acknowledged.</param>
    /// <param name="LastBytes">The last segment.</param>
    /// <param name="OwedBytes">Where the last record it owes ends in there.</param>
    /// <param name="DataEnd">Where its last byte that is not zero ends.</param>
    private sealed record KilledLog(int Survivors, int Owed, byte[] LastBytes, int OwedBytes, int DataEnd)
    {
        internal static async Task<KilledLog> ReadAsync(LabFolder folder, Lab writer)
        {
            using var copy = new LabFolder();
            CrashedCopy.Of(folder.Log, copy.Log);
            using Lab verifier = await Lab.RunAsync("log-verify", copy.Log);
            Assert.True(verifier.ExitCode == 0, verifier.Errors);
            string[] survivors = verifier.Lines;
            var history = new LabHistory();
            history.Add(writer);
            history.Check(survivors, "killed");

            HashSet<string> acknowledged = [.. writer.Acknowledged];
            int owed = Array.FindLastIndex(survivors, acknowledged.Contains) + 1;
            string last = TailDamage.LastSegment(folder.Log);
            byte[] bytes = await File.ReadAllBytesAsync(last);
            int before = int.Parse(Path.GetFileNameWithoutExtension(last), CultureInfo.InvariantCulture);
            List<int> ends = TailDamage.EndsIn(bytes);
            int owedBytes = owed > before ? ends[owed - before - 1] : 80;
            int dataEnd = bytes.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
            return new KilledLog(survivors.Length, owed, bytes, owedBytes, dataEnd);
        }
    }
}
