using Tidemark.CrashLab;

// Verbs and formats: README.md beside this file. Other programs read them, so they stay as they are.
IVerb[] verbs = [new LogWrite(), new LogVerify(), new KvWrite(), new KvVerify(), new StatusIncrement()];
IVerb? verb = args.Length > 0 ? Array.Find(verbs, v => v.Name == args[0]) : null;
if (verb is not null && await verb.RunAsync(args[1..]) is { } exitCode) return exitCode;

Console.Error.WriteLine("Usage:");
foreach (IVerb known in verbs) Console.Error.WriteLine($"  CrashLab {known.Usage}");
return ExitCode.Usage;
