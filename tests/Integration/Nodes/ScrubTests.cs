using System.Runtime.InteropServices;

namespace Tidemark.Integration.Nodes;

public class ScrubTests
{
    /// <summary>A bit of a record falls over in the memory of one node. No entry says so, and replicas compare the sums that they keep, which still agree: only who reads the rows again sees it.</summary>
    [Fact]
    public async Task A_bit_that_changed_in_one_nodes_memory_is_found_and_the_state_is_copied_from_the_others()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, scrubInterval: TimeSpan.FromSeconds(1));
        await cluster.Nodes[0]!.Store.PutAsync("key", "value"u8.ToArray());
        foreach (TidemarkNode node in cluster.Up) await node.Store.GetAsync("key");
        Assert.True(cluster.Nodes[1]!.Store.TryGet("key", out StoreRecord record));
        MemoryMarshal.AsMemory(record.RowBytes).Span[^1] ^= 4;
        var deadline = DateTime.UtcNow.AddMinutes(1);
        while (!IsWhole(cluster.Nodes[1]!))
        {
            Assert.True(DateTime.UtcNow < deadline, "the state was not mended");
            await Task.Delay(50);
        }

        await cluster.Nodes[1]!.Store.PutAsync("key", "next"u8.ToArray());
        foreach (TidemarkNode node in cluster.Up) Assert.True((await node.Store.GetAsync("key"))!.Value.Value.Span.SequenceEqual("next"u8));
    }

    private static bool IsWhole(TidemarkNode node)
    {
        try
        {
            return node.Store.TryGet("key", out StoreRecord record) && record.Value.Span.SequenceEqual("value"u8);
        }
        catch (TidemarkException)
        {
            return false;   // Its replicas are being opened again.
        }
    }
}
