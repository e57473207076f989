using System.Globalization;

namespace Tidemark.CrashLab;

/// <summary>Opens a log, recovering it, reads every record and checks its content.</summary>
internal sealed class LogVerify : IVerb
{
    public string Name => "log-verify";

    public string Usage => "log-verify DIR | log-verify --server";

    public async Task<int?> RunAsync(string[] args)
    {
        if (args is not [{ Length: > 0 }]) return null;
        return args[0] == "--server" ? await ServeAsync() : await VerifyOneAsync(args[0]);
    }

    private static async Task<int> VerifyOneAsync(string directory)
    {
        Verdict verdict = await VerifyAsync(directory);
        if (verdict.ExitCode != ExitCode.Done) Console.Error.WriteLine(verdict.Message);
        using var output = new StreamWriter(Console.OpenStandardOutput());
        foreach (string survivor in verdict.Survivors) output.WriteLine(survivor);
        return verdict.ExitCode;
    }

    private static async Task<int> ServeAsync()
    {
        var lines = new Lines();
        while (Console.ReadLine() is { } directory)
        {
            Verdict verdict = await VerifyAsync(directory);
            string message = verdict.Message.ReplaceLineEndings(" ");
            lines.Write(string.Create(CultureInfo.InvariantCulture, $"{verdict.ExitCode} survived={verdict.Survivors.Count} {message}"));
        }

        return ExitCode.Done;
    }

    private static async Task<Verdict> VerifyAsync(string directory)
    {
        List<string> survivors = [];
        if (directory.Length == 0) return new Verdict(ExitCode.Refused, survivors, "No directory was named.");
        try
        {
            await using SegmentedLog log = await SegmentedLog.OpenAsync(directory);
            string? wrong = Read(log, survivors);
            if (wrong is not null) return new Verdict(ExitCode.Refused, survivors, $"'{directory}': {wrong}");
            LogVerification verified = log.Verify();
            if (!verified.IsWhole) return new Verdict(ExitCode.Refused, survivors, verified.Damage[0].Message);
            if (verified.Records != survivors.Count)
                return new Verdict(ExitCode.Refused, survivors, $"'{directory}': {survivors.Count} records were read and {verified.Records} verified.");
            LogRecoveryReport found = log.Recovery;
            return new Verdict(ExitCode.Done, survivors, found.CutFile is null ? "whole" : $"whole, {found.CutBytes} torn bytes cut from '{found.CutFile}'");
        }
        catch (Exception e) when (e is TidemarkException or IOException or UnauthorizedAccessException)
        {
            return new Verdict(ExitCode.Refused, survivors, e.Message);
        }
        catch (Exception e)
        {
            // No way to refuse a log. Whoever serves goes on all the same, and whoever reads this word has found a bug.
            return new Verdict(ExitCode.Refused, survivors, $"Unexpected {e.GetType().Name} for '{directory}': {e.Message}");
        }
    }

    /// <summary>Collects the names of all records, oldest first; says what is wrong with the first that is.</summary>
    private static string? Read(SegmentedLog log, List<string> survivors)
    {
        var seen = new HashSet<string>();
        using LogReader reader = log.OpenReader(log.Start);
        while (reader.TryRead(out LogRecord record))
        {
            if (!LabRecord.TryRead(record.Payload.Span, out int round, out int sequence)) return $"The record at offset {record.Offset} is not what was written.";
            string name = LabRecord.NameOf(round, sequence);
            if (!seen.Add(name)) return $"The record at offset {record.Offset}, {name}, is there twice.";
            survivors.Add(name);
        }

        return null;
    }

    private sealed record Verdict(int ExitCode, List<string> Survivors, string Message);
}
