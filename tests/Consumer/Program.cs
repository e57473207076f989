using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Tidemark;
using Tidemark.Testing;

// The main things a user does with the packages, each with a line that PackageTests looks for.
string directory = Path.Join(Path.GetTempPath(), $"tidemark-consumer-{Environment.ProcessId}");
try
{
    await using (SegmentedLog log = await SegmentedLog.OpenAsync(directory))
    {
        long offset = await log.AppendAsync(Encoding.UTF8.GetBytes("hello"));
        Console.WriteLine($"appended at {offset}");
    }

    await using (SegmentedLog log = await SegmentedLog.OpenAsync(directory))
    {
        await foreach (LogRecord record in log.ReadAsync(log.Start)) Console.WriteLine($"read {Encoding.UTF8.GetString(record.Payload.Span)}");
    }
}
finally
{
    if (Directory.Exists(directory)) Directory.Delete(directory, recursive: true);
}

var clock = new HybridClock(new ManualTimeProvider());
HybridTimestamp first = clock.Now();
Console.WriteLine($"clock rises: {clock.Now() > first}");

var disk = new FaultyFileSystem(seed: 1);
await using (SegmentedLog log = await SegmentedLog.OpenAsync("/data", groupOptions: new LogGroupOptions { FileSystem = disk }))
{
    await log.AppendAsync(Encoding.UTF8.GetBytes("acknowledged"));
    FaultyFileSystem left = disk.Crash(CrashLoss.Everything).Disk;
    await using SegmentedLog again = await SegmentedLog.OpenAsync("/data", groupOptions: new LogGroupOptions { FileSystem = left });
    Console.WriteLine($"after a power cut: {again.End - again.Start} record");
}

int kept = 0;
foreach (ContractCase<FileSystemSubject> rule in FileSystemContract.Cases)
{
    rule.Run(() =>
    {
        var files = new MemoryFileSystem();
        string place = Path.GetFullPath("place");
        files.CreateDirectory(place);
        return new FileSystemSubject(files, place);
    });
    kept++;
}
Console.WriteLine($"contract kept: {kept == FileSystemContract.Cases.Count}");

await using TidemarkStore store = TidemarkStore.InMemory();
await store.PutAsync("greeting", Encoding.UTF8.GetBytes("hello"));
StoreRecord? stored = await store.GetAsync("greeting");
Console.WriteLine($"store: {stored?.GetString()} at version {stored?.Version}");

var services = new ServiceCollection();
services.AddTidemark(options => options.Node = 0).UseFileStatus("status");
Console.WriteLine($"hosted: {services.Any(service => service.ServiceType == typeof(TidemarkNode))}");
