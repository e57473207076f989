using System.Globalization;

namespace Tidemark.CrashLab;

/// <summary>Opens a log, recovering it, reads every record and checks its content.</summary>
internal sealed class LogVerify : IVerb
{
    public string Name => "log-verify";

    public string Usage => "log-verify DIR | log-verify --server";

    public async Task<int?> RunAsync(string[] args)
    {
        if (args.Length != 1) return null;
        return args[0] == "--server" ? await ServeAsync() : await VerifyOneAsync(args[0]);
    }

    private static async Task<int> VerifyOneAsync(string directory)
    {
        (int exitCode, List<string> survivors, string message) = await VerifyAsync(directory);
        if (exitCode != ExitCode.Done) Console.Error.WriteLine(message);
        using var output = new StreamWriter(Console.OpenStandardOutput());
        foreach (string survivor in survivors) output.WriteLine(survivor);
        return exitCode;
    }

    private static async Task<int> ServeAsync()
    {
        var lines = new Lines();
        while (Console.ReadLine() is { } directory)
        {
            (int exitCode, List<string> survivors, string message) = await VerifyAsync(directory);
            message = message.ReplaceLineEndings(" ");
            lines.Write(string.Create(CultureInfo.InvariantCulture, $"{exitCode} survived={survivors.Count} {message}"));
        }

        return ExitCode.Done;
    }

    private static async Task<(int ExitCode, List<string> Survivors, string Message)> VerifyAsync(string directory)
    {
        List<string> survivors = [];
        try
        {
            await using SegmentedLog log = await SegmentedLog.OpenAsync(directory);
            var seen = new HashSet<string>();
            using LogReader reader = log.OpenReader(log.Start);
            while (reader.TryRead(out LogRecord record))
            {
                if (!LabRecord.TryRead(record.Payload.Span, out int round, out int sequence))
                    return (ExitCode.Refused, survivors, $"The record at offset {record.Offset} is not what was written.");
                string name = LabRecord.NameOf(round, sequence);
                if (!seen.Add(name)) return (ExitCode.Refused, survivors, $"{name} is there twice.");
                survivors.Add(name);
            }

            LogVerification verified = log.Verify();
            if (!verified.IsWhole) return (ExitCode.Refused, survivors, verified.Damage[0].Message);
            string cut = log.Recovery.CutFile is null ? "whole" : $"whole, {log.Recovery.CutBytes} torn bytes cut from '{log.Recovery.CutFile}'";
            return (ExitCode.Done, survivors, cut);
        }
        catch (Exception e) when (e is TidemarkException or IOException or UnauthorizedAccessException)
        {
            return (ExitCode.Refused, survivors, e.Message);
        }
    }
}
