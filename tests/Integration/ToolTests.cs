namespace Tidemark.Integration;

/// <summary>The command-line tool as a process: every command, and what it says and how it ends where it cannot.</summary>
public sealed class ToolTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Inspect_shows_catalog_shards_logs_and_snapshot_files_of_stores_and_backups()
    {
        Guid id = await MakeAsync("d");
        string store = (await ToolAsync("inspect", At("d"))).ExpectSuccess().Output;
        Assert.Contains($"store {id}", store, StringComparison.Ordinal);
        Assert.Contains("engine memory", store, StringComparison.Ordinal);
        Assert.Contains("namespace default: hierarchical order, 2 shards", store, StringComparison.Ordinal);
        Assert.Contains("shard 1: hashes [80000000, 100000000)", store, StringComparison.Ordinal);
        Assert.Contains("log [0, ", store, StringComparison.Ordinal);
        (await ToolAsync("backup", At("d"), At("b"))).ExpectSuccess();
        string backup = (await ToolAsync("inspect", At("b"))).ExpectSuccess().Output;
        Assert.Contains($"backup of store {id}", backup, StringComparison.Ordinal);
        Assert.Contains(".snapshot", backup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_shows_a_store_that_is_open()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync(At("d"));
        Assert.Contains("in use or not closed", (await ToolAsync("inspect", At("d"))).ExpectSuccess().Output, StringComparison.Ordinal);
        Refused(await ToolAsync("verify", At("d")), "held by");
    }

    [Fact]
    public async Task Verify_ends_with_0_for_what_is_whole_and_with_1_for_damage()
    {
        await MakeAsync("d");
        (await ToolAsync("backup", At("d"), At("b"))).ExpectSuccess();
        Assert.EndsWith("whole\n", (await ToolAsync("verify", At("d"))).ExpectSuccess().Output, StringComparison.Ordinal);
        Assert.EndsWith("whole\n", (await ToolAsync("verify", At("b"))).ExpectSuccess().Output, StringComparison.Ordinal);
        foreach (string root in (string[])["d", "b"])
        {
            string victim = Directory.EnumerateFiles(At(root), "*", SearchOption.AllDirectories)
                .First(path => path.EndsWith(".log", StringComparison.Ordinal) || path.EndsWith(".snapshot", StringComparison.Ordinal));
            byte[] bytes = File.ReadAllBytes(victim);
            bytes[200] ^= 1;
            File.WriteAllBytes(victim, bytes);
            ProcessResult found = await ToolAsync("verify", At(root));
            Assert.Equal(1, found.ExitCode);
            Assert.Contains(Path.GetFileName(victim), found.Errors, StringComparison.Ordinal);
            Assert.Contains("DAMAGED", found.Output, StringComparison.Ordinal);
        }

        ProcessResult restore = await ToolAsync("restore", At("b"), At("r"));
        Assert.Equal(1, restore.ExitCode);
        Assert.False(Directory.Exists(At("r")));
    }

    [Fact]
    public async Task Backup_verify_inspect_and_restore_have_the_topics()
    {
        await using (TidemarkStore store = await TidemarkStore.OpenAsync(At("d")))
        {
            Topic topic = await store.Topics.CreateAsync("orders", new TopicOptions { Partitions = 2 });
            for (int i = 0; i < 5; i++) await topic.AppendAsync(new TopicMessage(new byte[] { 1 }), new AppendOptions { Partition = 1 });
        }

        Assert.Contains("2 partitions", (await ToolAsync("backup", At("d"), At("b"))).ExpectSuccess().Output, StringComparison.Ordinal);
        Assert.Contains("topic orders: 2 partitions", (await ToolAsync("inspect", At("b"))).ExpectSuccess().Output, StringComparison.Ordinal);
        Assert.Contains("orders partition 1: 6 log records, 1 snapshot files", (await ToolAsync("verify", At("b"))).ExpectSuccess().Output, StringComparison.Ordinal);   // And its settings.
        (await ToolAsync("restore", At("b"), At("r"))).ExpectSuccess();
        await using TidemarkStore restored = await TidemarkStore.OpenAsync(At("r"));
        Assert.Equal(5, (await restored.Topics.Get("orders").DescribeAsync(1)).End);
    }

    [Fact]
    public async Task Dump_shows_records_that_a_terminal_can_show()
    {
        await MakeAsync("d");
        string[] all = Lines(await ToolAsync("dump", At("d")));
        Assert.Equal(22, all.Length);
        Assert.Contains(all, line => line.Contains("\t0xFF00\t", StringComparison.Ordinal));
        Assert.Contains(all, line => line.StartsWith("other\t", StringComparison.Ordinal) && line.Contains("\\u001b[2J", StringComparison.Ordinal));
        Assert.Equal(11, Lines(await ToolAsync("dump", At("d"), "--prefix", "/deep/1")).Length);
        Assert.Single(Lines(await ToolAsync("dump", At("d"), "--namespace", "other")));
        Assert.Equal(3, Lines(await ToolAsync("dump", At("d"), "--limit", "3")).Length);
        Refused(await ToolAsync("dump", At("d"), "--namespace", "none"), "no namespace 'none'");
        Refused(await ToolAsync("dump", At("d"), "--limit", "few"), "few");
    }

    [Fact]
    public async Task Export_and_import_carry_all_records_into_a_new_store()
    {
        await MakeAsync("d");
        Assert.Contains("22 records", (await ToolAsync("export", At("d"), At("e"))).ExpectSuccess().Output, StringComparison.Ordinal);
        string standard = (await ToolAsync("export", At("d"), "-")).ExpectSuccess().Output;
        Assert.Equal(File.ReadAllText(At("e")), standard);
        Assert.Contains("22 records", (await ToolAsync("import", At("n"), At("e"), "--engine", "memory")).ExpectSuccess().Output, StringComparison.Ordinal);
        await using (TidemarkStore store = await TidemarkStore.OpenAsync(At("n")))
        {
            Assert.Equal("\u001b[2J", (await store.GetNamespace("other").GetAsync("bell"))!.Value.GetString());
            Assert.Equal(1, store.Settings.ShardCount);   // The default namespace was there before the import, with settings of its own.
        }

        Refused(await ToolAsync("export", At("d"), At("e")), "exists");
        File.AppendAllText(At("e"), "more\n");
        Refused(await ToolAsync("import", At("n2"), At("e")), "line 27");
        Refused(await ToolAsync("import", At("n3"), At("missing")), "missing");
        Assert.False(Directory.Exists(At("n3")));
    }

    [Fact]
    public async Task An_archive_is_restored_to_a_moment()
    {
        HybridTimestamp moment;
        await using (TidemarkStore store = await TidemarkStore.OpenAsync(At("d"), new TidemarkStoreOptions { Archive = new ArchiveOptions { Archive = new FolderArchive(At("a")) } }))
        {
            moment = (await store.PutAsync("/a", "then"u8.ToArray())).Timestamp;
            await store.PutAsync("/a", "now"u8.ToArray());
            await store.ArchiveAsync();
        }

        (await ToolAsync("restore", At("a"), At("r"), "--until", $"{moment}")).ExpectSuccess();
        await using (TidemarkStore then = await TidemarkStore.OpenAsync(At("r"))) Assert.Equal("then", (await then.GetAsync("/a"))?.GetString());
        (await ToolAsync("restore", At("a"), At("r2"))).ExpectSuccess();
        await using (TidemarkStore now = await TidemarkStore.OpenAsync(At("r2"))) Assert.Equal("now", (await now.GetAsync("/a"))?.GetString());
        Refused(await ToolAsync("restore", At("a"), At("r3"), "--until", "2100-01-01"), "complete up to");
        Refused(await ToolAsync("restore", At("a"), At("r3"), "--until", "yesterday"), "no moment");
    }

    [Fact]
    public async Task Backup_and_restore_make_a_store_with_the_same_records_and_another_id()
    {
        Guid id = await MakeAsync("d");
        (await ToolAsync("backup", At("d"), At("b"))).ExpectSuccess();
        (await ToolAsync("restore", At("b"), At("r"), "--engine", "memory")).ExpectSuccess();
        Assert.Equal(Lines(await ToolAsync("dump", At("d"))), Lines(await ToolAsync("dump", At("r"))));
        Assert.NotEqual(id, TidemarkStore.Describe(At("r")).StoreId);
        Refused(await ToolAsync("restore", At("b"), At("r")), "not empty");
        Refused(await ToolAsync("backup", At("d"), At("b")), "not empty");
        Refused(await ToolAsync("restore", At("d"), At("r2")), "a store");
        Refused(await ToolAsync("dump", At("b")), "is a backup");
        Refused(await ToolAsync("restore", At("b"), At("r2"), "--engine", "stone"), "no engine 'stone'");
    }

    [ExternalFact("libsqlite3-0")]
    public async Task A_store_is_restored_from_engine_to_engine_and_exports_the_same_on_each()
    {
        await MakeAsync("memory");
        string expected = (await ToolAsync("export", At("memory"), "-")).ExpectSuccess().Output;
        foreach ((string from, string to) in ((string, string)[])[("memory", "lmdb"), ("lmdb", "sqlite"), ("sqlite", "again")])
        {
            (await ToolAsync("backup", At(from), At(from + "-backup"))).ExpectSuccess();
            (await ToolAsync("restore", At(from + "-backup"), At(to), "--engine", to == "again" ? "memory" : to)).ExpectSuccess();
            Assert.EndsWith("whole\n", (await ToolAsync("verify", At(to))).ExpectSuccess().Output, StringComparison.Ordinal);
            Assert.Equal(expected, (await ToolAsync("export", At(to), "-")).ExpectSuccess().Output);
        }
    }

    [Fact]
    public async Task What_it_cannot_do_is_one_line_of_error_and_makes_nothing()
    {
        foreach (string command in (string[])["inspect", "verify", "dump"]) Refused(await ToolAsync(command, At("nowhere")), "nowhere");
        Refused(await ToolAsync("backup", At("nowhere"), At("b")), "nowhere");
        Refused(await ToolAsync("export", At("nowhere"), At("e")), "nowhere");
        Refused(await ToolAsync("restore", At("nowhere"), At("r")), "nowhere");
        Refused(await ToolAsync("juggle"), "juggle");
        Refused(await ToolAsync("verify"), "verify");
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory.Path));
        Assert.Contains("inspect", (await ToolAsync("--help")).ExpectSuccess().Output, StringComparison.Ordinal);
    }

    private string At(string name) => _directory.At(name);

    private async Task<Guid> MakeAsync(string name)
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync(At(name), new TidemarkStoreOptions { DefaultNamespace = new NamespaceOptions { ShardCount = 2 } });
        for (int i = 0; i < 20; i++) await store.PutAsync($"/deep/{i}", new byte[] { (byte)('a' + i) });
        await store.PutAsync(new byte[] { 0xFF, 0 }, "bytes"u8.ToArray());
        await (await store.CreateNamespaceAsync("other")).PutAsync("bell", "\u001b[2J"u8.ToArray());
        return store.StoreId;
    }

    private Task<ProcessResult> ToolAsync(params string[] arguments) =>
        ChildProcess.RunAsync("dotnet", _directory.Path, [BuiltProgram.Tool, .. arguments]);

    private static string[] Lines(ProcessResult result) => result.ExpectSuccess().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static void Refused(ProcessResult result, string word)
    {
        Assert.True(result.ExitCode == 2, $"{result.Command} ended with {result.ExitCode}: {result.Output}{result.Errors}");
        Assert.Contains(word, result.Errors, StringComparison.Ordinal);
        Assert.Equal(1, result.Errors.Count(c => c == '\n'));
    }
}
