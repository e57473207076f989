using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Tidemark.Testing;

namespace Tidemark.Tests.Properties;

public sealed class FileSystemProperties
{
    private const int Names = 4;

    /// <summary>One call, drawn; what the numbers mean is up to the kind.</summary>
    internal readonly record struct Step(int Kind, int Name, int Position, int Count);

    private static readonly Gen<Step> Steps =
        from kind in Gen.Choose(0, 7)
        from name in Gen.Choose(0, Names - 1)
        from position in Gen.Choose(0, 40_000)
        from count in Gen.Choose(0, 3_000)
        select new Step(kind, name, position, count);

    private static Config Runs(int count) => Config.QuickThrowOnFailure.WithMaxTest(Soak.Times(count));

    [Fact]
    public void The_three_twins_show_the_same_after_any_calls() =>
        Prop.ForAll(Steps.ListOf().ToArbitrary(), steps =>
        {
            using var directory = new TestDirectory();
            var memory = new MemoryFileSystem();
            var faulty = new FaultyFileSystem();
            memory.CreateDirectory(directory.Path);
            faulty.CreateDirectory(directory.Path);
            string disk = Run(DiskFileSystem.Instance, directory.Path, steps);
            Assert.Equal(disk, Run(memory, directory.Path, steps));
            Assert.Equal(disk, Run(faulty, directory.Path, steps));
            Assert.Equal(disk, Show(faulty.ProcessKill(), directory.Path));
            Assert.Equal(disk, Show(faulty.Crash(CrashLoss.Nothing).Disk, directory.Path));
        }).Check(Runs(60));

    [Fact]
    public void Stopped_anywhere_a_disk_keeps_what_was_flushed_name_and_all() =>
        Prop.ForAll(Steps.ListOf().ToArbitrary(), Gen.Choose(0, int.MaxValue).ToArbitrary(), (steps, seed) =>
        {
            const string Place = "/data";
            var disk = new FaultyFileSystem(seed);
            disk.CreateDirectory(Place);
            disk.StopAt(2 + (seed % (steps.Count + 1)), (seed & 1) == 0 ? StopMoment.Before : StopMoment.Halfway);
            var settled = new Dictionary<string, byte[]>();   // Name and bytes are durable, and no call has begun that changes either.
            try
            {
                foreach (Step step in steps)
                {
                    foreach (string name in Touched(step)) settled.Remove(name);
                    Apply(disk, Place, step);
                    if (step.Kind == FlushAll) settled = FlushEverything(disk, Place);
                }
            }
            catch (SimulatedCrashException)
            {
                // As planned; what follows holds without the stop too.
            }
            foreach (CrashState state in disk.CrashStates(12))
            {
                foreach ((string name, byte[] bytes) in settled)
                {
                    using IFile file = state.Disk.Open($"{Place}/{name}", FileOpenMode.Existing);
                    Assert.True(bytes.AsSpan().SequenceEqual(ReadAll(file)), $"'{name}' was flushed, but: {state}\n{disk.Trace}");
                }
                Assert.Equal((0, 0), (state.Disk.UnsyncedNames, state.Disk.UnsyncedWrites));
            }
        }).Check(Runs(200));

    private const int FlushAll = 7;

    private static void Apply(IFileSystem files, string directory, Step step)
    {
        string path = Path.Join(directory, $"f{step.Name}");
        switch (step.Kind)
        {
            case 0 or 1 or 2:
                using (IFile file = files.Open(path, FileOpenMode.ExistingOrNew)) file.Write(step.Position, Bytes(step));
                break;
            case 3:
                using (IFile file = files.Open(path, FileOpenMode.ExistingOrNew)) file.SetLength(step.Position);
                break;
            case 4:
                if (files.FileExists(path)) files.Move(path, Path.Join(directory, $"f{step.Position % Names}"));
                break;
            case 5:
                files.Delete(path);
                break;
            case 6:
                if (!files.FileExists(path)) break;
                using (IFile file = files.Open(path, FileOpenMode.Existing)) file.Flush();
                break;
        }
    }

    private static IEnumerable<string> Touched(Step step) => step.Kind switch
    {
        < 4 or 5 => [$"f{step.Name}"],
        4 => [$"f{step.Name}", $"f{step.Position % Names}"],
        _ => [],
    };

    private static Dictionary<string, byte[]> FlushEverything(FaultyFileSystem disk, string directory)
    {
        var settled = new Dictionary<string, byte[]>();
        disk.FlushDirectory(directory);
        foreach (string name in disk.ListFiles(directory))
        {
            using IFile file = disk.Open(Path.Join(directory, name), FileOpenMode.Existing);
            file.Flush();
            settled[name] = ReadAll(file);
        }
        return settled;
    }

    private static string Run(IFileSystem files, string directory, IEnumerable<Step> steps)
    {
        foreach (Step step in steps) Apply(files, directory, step);
        return Show(files, directory);
    }

    private static string Show(IFileSystem files, string directory)
    {
        var text = new StringBuilder();
        foreach (string name in files.ListFiles(directory))
        {
            using IFile file = files.Open(Path.Join(directory, name), FileOpenMode.Existing);
            text.Append($"{name}: {Convert.ToHexString(ReadAll(file))}\n");
        }
        return text.ToString();
    }

    private static byte[] ReadAll(IFile file)
    {
        var bytes = new byte[file.Length];
        Assert.Equal(bytes.Length, file.Read(0, bytes));
        return bytes;
    }

    private static byte[] Bytes(Step step)
    {
        var bytes = new byte[step.Count];
        new Random(step.Position).NextBytes(bytes);
        return bytes;
    }
}
