using System.Text;

using Tidemark.Tool;

namespace Tidemark.Integration.Nodes;

/// <summary>Nodes that keep their rows in engines on disk, each in another: what one has the others have.</summary>
public sealed class NodeEngineTests
{
    private static readonly ReadOnlyMemory<byte> _value = Encoding.UTF8.GetBytes(new string('x', 4000));

    private static StorageEngine EngineOf(int node) => node switch
    {
        0 => StorageEngine.Memory,
        1 => StorageEngine.Lmdb(),
        _ => SystemSqlite.Engine,
    };

    /// <summary>Each engine's node is killed, wiped, given everything by the others, and leads.</summary>
    [ExternalFact("liblmdb0")]
    public async Task Whichever_engine_a_node_has_it_has_what_the_others_have()
    {
        SystemSqlite.Require();
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, new NamespaceOptions { ShardCount = 2 }, EngineOf);
        for (int round = 0; round < 3; round++)
        {
            await PutManyAsync(cluster.Nodes[round]!.Store, round, 300);
            await cluster.KillAsync(round);
            if (round > 0) Directory.Delete(cluster.DirectoryOf(round), recursive: true);
            KeyValueStore other = cluster.Nodes[(round + 1) % 3]!.Store;
            await PutManyAsync(other, round, 100);
            await other.DeleteRangeAsync(KeyRange.Prefix($"/round/{round}/01"));
            await cluster.StartAsync(round);
            await AssertSameAsync(cluster, ReadLevel.Linearizable);

            // Not from the beginning of the log, which is gone by then: the state itself was given.
            if (round > 0) Assert.NotEmpty(Directory.GetDirectories(Path.Combine(cluster.DirectoryOf(round), "shards"), "g*1", SearchOption.AllDirectories));
        }

        // What they have on their disks, all of them.
        await cluster.RestartAsync();
        Assert.Equal(3 * (400 - 20), (await AssertSameAsync(cluster, ReadLevel.Linearizable)).Count);
    }

    /// <summary>An engine that holds nothing of what another kept would be a node that has lost everything, and says nothing.</summary>
    [ExternalFact("liblmdb0")]
    public async Task A_directory_stays_with_its_engine()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        await PutManyAsync(cluster.Nodes[0]!.Store, 0, 10);
        await cluster.KillAsync(1);
        cluster.EngineOf = static _ => StorageEngine.Lmdb();
        FormatMismatchException refusal = await Assert.ThrowsAsync<FormatMismatchException>(() => cluster.StartAsync(1));
        Assert.Contains("'memory'", refusal.Message, StringComparison.Ordinal);
        cluster.EngineOf = static _ => StorageEngine.Memory;
        await cluster.StartAsync(1);
        await AssertSameAsync(cluster, ReadLevel.Linearizable);
    }

    private static async Task PutManyAsync(KeyValueStore store, int round, int count)
    {
        for (int i = 0; i < count; i++)
        {
            string key = FormattableString.Invariant($"/round/{round}/{i:000}-{count}");
            Assert.Equal(StoreStatus.Ok, (await store.PutAsync(key, _value)).Status);
        }
    }

    /// <returns>What all of them have.</returns>
    private static async Task<List<(string Key, long Version)>> AssertSameAsync(LiveCluster cluster, ReadLevel level)
    {
        List<(string Key, long Version)>? first = null;
        foreach (TidemarkNode node in cluster.Up)
        {
            List<(string Key, long Version)> records = [];
            await foreach (StoreRecord record in node.Store.ScanAsync(KeyRange.All, new ScanOptions { Level = level })) records.Add((record.Key.ToString(), record.Version));
            first ??= records;
            Assert.Equal(first, records);
        }

        return first!;
    }
}
