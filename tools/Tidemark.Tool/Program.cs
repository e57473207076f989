using System.CommandLine;

using Tidemark;
using Tidemark.Tool;

// Commands and exit codes: docs/backup.md.
var directory = new Argument<string>("DIR") { Description = "The store's directory" };
var either = new Argument<string>("DIR") { Description = "The directory of a store, or the folder of a backup" };
var folder = new Argument<string>("FOLDER") { Description = "The folder of the backup, or of the archive" };
var file = new Argument<string>("FILE") { Description = "The file of lines of JSON; - for standard output or input" };
var space = new Option<string?>("--namespace") { Description = "The namespace" };
var prefix = new Option<string?>("--prefix") { Description = "Only keys that begin so" };
var limit = new Option<long?>("--limit") { Description = "At most so many records" };
var until = new Option<string?>("--until") { Description = "Of an archive: the moment, as 2026-11-21T09:00:00Z or as records show it" };
var engine = new Option<string?>("--engine") { Description = $"What a new store is kept in: {Engines.Names}" };

var root = new RootCommand("Looks after stores of Tidemark. Ends with 0 if all went well, 1 if damage was found, 2 if it cannot do what was asked.");
Add("inspect", "Says what a store or backup is: catalog, shards, logs, snapshot files", [either], (given, _) => Task.FromResult(Inspect.Run(given.GetRequiredValue(either))));
Add("verify", "Reads and checks all of a store or backup", [either], (given, cancellation) => Verify.RunAsync(given.GetRequiredValue(either), cancellation));
Add("dump", "Shows records", [directory, space, prefix, limit], (given, cancellation) =>
    Dump.RunAsync(given.GetRequiredValue(directory), given.GetValue(space), given.GetValue(prefix), given.GetValue(limit), cancellation));
Add("export", "Writes records as lines of JSON", [directory, file, space], (given, cancellation) =>
    Records.ExportAsync(given.GetRequiredValue(directory), given.GetRequiredValue(file), given.GetValue(space), cancellation));
Add("import", "Writes the records of an export into a store, which is created where it is missing", [directory, file, space, engine], (given, cancellation) =>
    Records.ImportAsync(given.GetRequiredValue(directory), given.GetRequiredValue(file), given.GetValue(space), given.GetValue(engine), cancellation));
Add("backup", "Backs up a store that nobody has open", [directory, folder], (given, cancellation) =>
    Backup.RunAsync(given.GetRequiredValue(directory), given.GetRequiredValue(folder), cancellation));
Add("restore", "Makes a store of a backup or an archive", [folder, directory, engine, until], (given, cancellation) =>
    Backup.RestoreAsync(given.GetRequiredValue(folder), given.GetRequiredValue(directory), given.GetValue(engine), given.GetValue(until), cancellation));

ParseResult parsed = root.Parse(args);
if (parsed.Errors.Count == 0) return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
return Refuse($"{parsed.Errors[^1].Message} Try 'tidemark --help'.");

void Add(string name, string description, Symbol[] parts, Func<ParseResult, CancellationToken, Task<int>> run)
{
    var command = new Command(name, description);
    foreach (Symbol part in parts)
    {
        if (part is Argument argument) command.Add(argument);
        else command.Add((Option)part);
    }

    command.SetAction((given, cancellation) => GuardAsync(() => run(given, cancellation)));
    root.Add(command);
}

static async Task<int> GuardAsync(Func<Task<int>> run)
{
    try
    {
        return await run();
    }
    catch (CorruptDataException e)
    {
        Refuse(e.Message);
        return ExitCode.Damage;
    }
    catch (Exception e) when (e is TidemarkException or UsageException or IOException or UnauthorizedAccessException or ArgumentException)
    {
        return Refuse(e.Message);
    }
    catch (OperationCanceledException)
    {
        return Refuse("Interrupted.");
    }
}

static int Refuse(string message)
{
    Console.Error.WriteLine("tidemark: " + message.ReplaceLineEndings(" "));
    return ExitCode.Refused;
}
