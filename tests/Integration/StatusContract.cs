using Tidemark.Testing;

namespace Tidemark.Integration;

/// <summary>The contract of status stores, every rule on a store without a document.</summary>
internal static class StatusContract
{
    internal static async Task CheckAsync(Func<string, IClusterStatusStore> open)
    {
        List<string> broken = [];
        foreach (AsyncContractCase<ClusterStatusStoreSubject> rule in ClusterStatusStoreContract.Cases)
        {
            IClusterStatusStore store = open(rule.Name);
            try
            {
                await rule.RunAsync(new ClusterStatusStoreSubject(store));
            }
            catch (Exception e)
            {
                broken.Add($"{rule.Name}: {e}");
            }

            (store as IDisposable)?.Dispose();
        }

        Assert.True(broken.Count == 0, string.Join("\n\n", broken));
    }
}
