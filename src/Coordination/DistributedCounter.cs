using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Tidemark;

/// <summary>A number that many add to. Its record's value is the number as text.</summary>
public sealed class DistributedCounter
{
    private readonly KeyValueStore _store;
    private readonly StoreKey _key;

    /// <summary>A counter of a key.</summary>
    public DistributedCounter(KeyValueStore store, string key)
    {
        ArgumentNullException.ThrowIfNull(store);
        _store = store;
        _key = key;
    }

    /// <summary>The number; 0 where nobody added yet.</summary>
    /// <exception cref="MalformedDataException">The record's value is no number.</exception>
    public async ValueTask<long> GetAsync(CancellationToken cancellationToken = default) =>
        Parse(await _store.GetAsync(_key, null, cancellationToken).ConfigureAwait(false));

    /// <summary>Adds to the number, which is read again and written again until nobody came in between.</summary>
    /// <param name="delta">What to add, also below zero.</param>
    /// <param name="cancellationToken">Ends it between two attempts, or the wait for one, which may still happen.</param>
    /// <returns>The number with it.</returns>
    /// <exception cref="OverflowException">The number would leave 64 bits. Nothing was added.</exception>
    /// <exception cref="OutcomeUnknownException">It may have been added or not.</exception>
    public async ValueTask<long> AddAsync(long delta, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            StoreRecord? record = await _store.GetAsync(_key, null, cancellationToken).ConfigureAwait(false);
            long sum = checked(Parse(record) + delta);
            byte[] text = Encoding.ASCII.GetBytes(sum.ToString(CultureInfo.InvariantCulture));
            WriteResult result = await _store.PutAsync(_key, text, PutOptions.None.AtVersion(record?.Version ?? 0), cancellationToken).ConfigureAwait(false);
            if (result.Status == StoreStatus.VersionMismatch) continue;
            result.ThrowIfRefused();
            return sum;
        }
    }

    private static long Parse(StoreRecord? record)
    {
        if (record is not { } found) return 0;
        ReadOnlySpan<byte> text = found.Value.Span;
        return Utf8Parser.TryParse(text, out long number, out int read) && read == text.Length
            ? number
            : throw new MalformedDataException(0, $"the record '{found.Key}' is no counter");
    }
}
