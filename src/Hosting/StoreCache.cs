using System.Buffers.Binary;

using Microsoft.Extensions.Caching.Distributed;

namespace Tidemark.Hosting;

/// <summary>A distributed cache over a store. An entry is a record that the store itself removes when its time is over.</summary>
/// <remarks>
/// A value is preceded by 16 bytes: the sliding expiration in milliseconds, then the absolute one in Unix milliseconds, little-endian, 0 for none. Each use moves a sliding expiration by writing the
/// record again, but not before a tenth of it is over; for that it lives a tenth longer, and so never too short.
/// </remarks>
internal sealed class StoreCache(KeyValueStore store, TidemarkCacheOptions options, TimeProvider time) : IDistributedCache
{
    private const int HeaderBytes = 16;
    private const int SlidingAt = 0;
    private const int AbsoluteAt = 8;

    private static readonly TimeSpan _longest = TimeSpan.FromDays(3650);   // The store's.

    private readonly GetOptions _read = new() { Level = options.ReadLevel };

    public byte[]? Get(string key) => GetAsync(key).GetAwaiter().GetResult();

    public async Task<byte[]?> GetAsync(string key, CancellationToken token = default)
    {
        if (await FindAsync(key, token).ConfigureAwait(false) is not { } found) return null;
        try
        {
            await ProlongAsync(found, token).ConfigureAwait(false);
        }
        catch (TidemarkException)
        {
            // It is found all the same, and ends the sooner.
        }

        return found.Value[HeaderBytes..].ToArray();
    }

    public void Refresh(string key) => RefreshAsync(key).GetAwaiter().GetResult();

    public async Task RefreshAsync(string key, CancellationToken token = default)
    {
        if (await FindAsync(key, token).ConfigureAwait(false) is { } found) await ProlongAsync(found, token).ConfigureAwait(false);
    }

    public void Remove(string key) => RemoveAsync(key).GetAwaiter().GetResult();

    public async Task RemoveAsync(string key, CancellationToken token = default) => (await store.DeleteAsync(KeyOf(key), cancellationToken: token).ConfigureAwait(false)).ThrowIfRefused();

    public void Set(string key, byte[] value, DistributedCacheEntryOptions options) => SetAsync(key, value, options).GetAwaiter().GetResult();

    public async Task SetAsync(string key, byte[] value, DistributedCacheEntryOptions options, CancellationToken token = default)
    {
        StoreKey storeKey = KeyOf(key);
        ArgumentNullException.ThrowIfNull(value);
        ArgumentNullException.ThrowIfNull(options);
        DateTimeOffset now = time.GetUtcNow();
        DateTimeOffset? absolute = options.AbsoluteExpirationRelativeToNow is { } relative ? now + (relative < _longest ? relative : _longest) : options.AbsoluteExpiration;
        if (absolute <= now) throw new ArgumentOutOfRangeException(nameof(options), absolute, "The absolute expiration lies in the past. Give one in the future.");
        byte[] entry = new byte[HeaderBytes + value.Length];
        BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(SlidingAt), (long)Math.Ceiling((options.SlidingExpiration ?? TimeSpan.Zero).TotalMilliseconds));
        BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(AbsoluteAt), absolute?.ToUnixTimeMilliseconds() ?? 0);
        value.CopyTo(entry.AsSpan(HeaderBytes));
        (await store.PutAsync(storeKey, entry, new PutOptions { TimeToLive = TimeToLive(entry, now) }, token).ConfigureAwait(false)).ThrowIfRefused();
    }

    /// <summary>The entry, unless its time is over and the store has not removed it yet.</summary>
    private async Task<StoreRecord?> FindAsync(string key, CancellationToken token)
    {
        if (await store.GetAsync(KeyOf(key), _read, token).ConfigureAwait(false) is not { } found) return null;
        return found.Value.Length < HeaderBytes || found.Expires?.Physical <= time.GetUtcNow() ? null : found;
    }

    private async Task ProlongAsync(StoreRecord found, CancellationToken token)
    {
        TimeSpan sliding = SlidingOf(found.Value.Span);
        DateTimeOffset now = time.GetUtcNow();
        if (sliding == TimeSpan.Zero || now - found.Modified.Physical < sliding / 10) return;
        // Over this version alone: whoever wrote or removed it meanwhile has moved it already.
        await store.PutAsync(found.Key, found.Value, new PutOptions { ExpectedVersion = found.Version, TimeToLive = TimeToLive(found.Value.Span, now) }, token).ConfigureAwait(false);
    }

    /// <summary>The nearer of both expirations; null for none.</summary>
    private static TimeSpan? TimeToLive(ReadOnlySpan<byte> entry, DateTimeOffset now)
    {
        TimeSpan sliding = SlidingOf(entry);
        TimeSpan? left = sliding == TimeSpan.Zero ? null : sliding < _longest / 2 ? sliding + (sliding / 10) : _longest;
        if (BinaryPrimitives.ReadInt64LittleEndian(entry[AbsoluteAt..]) is > 0 and long end)
        {
            var absolute = TimeSpan.FromMilliseconds(Math.Clamp(end - now.ToUnixTimeMilliseconds(), 1, (long)_longest.TotalMilliseconds));
            left = left < absolute ? left : absolute;
        }

        return left;
    }

    private static TimeSpan SlidingOf(ReadOnlySpan<byte> entry) => TimeSpan.FromMilliseconds(BinaryPrimitives.ReadInt64LittleEndian(entry[SlidingAt..]));

    private StoreKey KeyOf(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return options.KeyPrefix + key;
    }
}
