using System.Text;

namespace Tidemark.Integration;

/// <summary>A status file among processes.</summary>
public sealed class FileStatusProcessTests
{
    [Fact]
    public async Task Increments_of_three_processes_at_once_lose_none()
    {
        using var folder = new TemporaryDirectory();
        string file = folder.At("status");
        Lab[] labs = [.. Enumerable.Range(0, 3).Select(_ => Lab.Start("status-increment", file, "150"))];
        foreach (Lab lab in labs)
        {
            await lab.WaitAsync();
            Assert.True(lab.ExitCode == 0, lab.Errors);
            lab.Dispose();
        }

        ClusterStatusEntry? last = await new FileClusterStatusStore(file).ReadAsync();
        Assert.Equal("450", Encoding.UTF8.GetString(last!.Content.Span));
        Assert.Equal(450, last.Version);
        Assert.Equal(["status", "status.lock"], DiskFileSystem.Instance.ListFiles(folder.Path));
    }

    [Fact]
    public async Task A_process_that_is_killed_at_any_moment_leaves_a_document_that_others_go_on_with()
    {
        using var folder = new TemporaryDirectory();
        string file = folder.At("status");
        var store = new FileClusterStatusStore(file);
        var random = new Random(1);
        long before = 0;
        for (int round = 0; round < 8; round++)
        {
            using Lab lab = Lab.Start("status-increment", file, "1000000");
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            long goal = before + random.Next(2, 40);
            await foreach (ClusterStatusEntry entry in store.WatchAsync(before, deadline.Token))
            {
                if (entry.Version >= goal) break;
            }

            await lab.KillAsync();
            ClusterStatusEntry found = (await store.ReadAsync(deadline.Token))!;
            Assert.Equal($"{found.Version}", Encoding.UTF8.GetString(found.Content.Span));
            Assert.True(found.Version >= goal);
            before = (await store.TryWriteAsync(Encoding.UTF8.GetBytes($"{found.Version + 1}"), found.Version, deadline.Token))!.Value;
        }
    }
}
