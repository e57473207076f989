using System.Collections.Concurrent;

using Tidemark.Testing;

namespace Tidemark.Integration.Nodes;

/// <summary>One writer for each shard, which writes round after round to six of its keys, by any node that is up; and what must be there, whatever moment is restored.</summary>
internal sealed class ArchivedWriters : IAsyncDisposable
{
    private const int Keys = 6;

    private readonly LiveCluster _cluster;
    private readonly IArchive _archive;
    private readonly MemoryFileSystem _restored = new();
    private readonly string[][] _keys;
    private readonly ConcurrentDictionary<string, int> _tried = [], _acknowledged = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly List<(HybridTimestamp Moment, Dictionary<string, int> Least, Dictionary<string, int> Most)> _moments = [];
    private readonly Task[] _writers;
    private int _restores;

    internal ArchivedWriters(LiveCluster cluster, int shards, IArchive archive, int valueBytes = 8)
    {
        (_cluster, _archive) = (cluster, archive);
        HashRangeRouter router = HashRangeRouter.CreateEven(shards);
        _keys = [.. Enumerable.Range(0, shards).Select(shard => Enumerable.Range(0, 10_000).Select(i => $"/{i}").Where(key => router.Route(System.Text.Encoding.UTF8.GetBytes(key)) == shard).Take(Keys).ToArray())];
        _writers = [.. _keys.Select((keys, shard) => Task.Run(() => WriteAsync(keys, new Random(shard), valueBytes)))];
    }

    /// <summary>Rounds that the slowest writer has written.</summary>
    internal int Rounds => _keys.Min(keys => _acknowledged.GetValueOrDefault(keys[^1], -1));

    internal async Task GoOnAsync(int rounds)
    {
        int start = Rounds;
        for (DateTime end = DateTime.UtcNow.AddSeconds(90); Rounds < start + rounds; await Task.Delay(5))
        {
            Assert.All(_writers, writer => Assert.False(writer.IsFaulted, $"{writer.Exception}"));
            Assert.True(DateTime.UtcNow < end, "the writers stand still");
        }
    }

    /// <summary>Has everything archived, by any node that is up, as often as is needed.</summary>
    internal async Task ArchiveAsync(Random random)
    {
        for (DateTime end = DateTime.UtcNow.AddSeconds(60); ; await Task.Delay(10))
        {
            TidemarkNode[] up = [.. _cluster.Up];
            var least = new Dictionary<string, int>(_acknowledged);
            try
            {
                HybridTimestamp moment = await up[random.Next(up.Length)].ArchiveAsync();
                lock (_moments) _moments.Add((moment, least, new Dictionary<string, int>(_tried)));
                return;
            }
            catch (Exception e) when (e is ShardUnavailableException or ObjectDisposedException && DateTime.UtcNow < end)
            {
                // A leader was killed, and it took too long.
            }
        }
    }

    /// <summary>Restores every moment, and looks at what is there.</summary>
    internal async Task CheckAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_writers);
        Assert.Equal(_moments.Select(point => point.Moment).Order(), _moments.Select(point => point.Moment));
        foreach ((HybridTimestamp moment, Dictionary<string, int> least, Dictionary<string, int> most) in _moments)
        {
            await using TidemarkStore store = await RestoreAsync(moment);
            foreach (string[] keys in _keys)
            {
                int[] rounds = new int[Keys];
                for (int i = 0; i < Keys; i++)
                {
                    rounds[i] = (await store.GetAsync(keys[i]))?.Value is { } value ? BitConverter.ToInt32(value.Span) : -1;
                    Assert.InRange(rounds[i], least.GetValueOrDefault(keys[i], -1), most.GetValueOrDefault(keys[i], -1));
                }

                Assert.Equal(rounds.OrderDescending(), rounds);   // A prefix of what the shard took.
                Assert.InRange(rounds[0] - rounds[^1], 0, 1);
            }
        }
    }

    internal async Task<TidemarkStore> RestoreAsync(HybridTimestamp? moment)
    {
        string directory = $"r{_restores++}";
        var options = new TidemarkStoreOptions { FileSystem = _restored };
        await TidemarkStore.RestoreAsync(_archive, directory, moment, options);
        return await TidemarkStore.OpenAsync(directory, options);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_writers).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task WriteAsync(string[] keys, Random random, int valueBytes)
    {
        for (int round = 0; !_stop.IsCancellationRequested; round++)
        {
            byte[] value = new byte[valueBytes];
            BitConverter.TryWriteBytes(value, round);
            foreach (string key in keys)
            {
                _tried[key] = round;
                await PutAsync(key, value, random);
                _acknowledged[key] = round;
            }
        }
    }

    private async Task PutAsync(string key, byte[] value, Random random)
    {
        for (DateTime end = DateTime.UtcNow.AddSeconds(60); ; await Task.Delay(5))
        {
            TidemarkNode[] up = [.. _cluster.Up];
            try
            {
                await up[random.Next(up.Length)].Store.PutAsync(key, value);
                return;
            }
            catch (Exception e) when (e is ShardUnavailableException or OutcomeUnknownException or ObjectDisposedException or OverloadedException && DateTime.UtcNow < end)
            {
                // Once more: it comes to the same.
            }
        }
    }
}
