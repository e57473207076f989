using System.Buffers;
using System.Runtime.CompilerServices;

namespace Tidemark;

/// <summary>A record with a value of a type.</summary>
/// <param name="Value">The value.</param>
/// <param name="Record">The record it was read from.</param>
public readonly record struct TypedRecord<T>(T Value, StoreRecord Record)
{
    /// <summary>The key.</summary>
    public StoreKey Key => Record.Key;

    /// <summary>The version.</summary>
    public long Version => Record.Version;
}

/// <summary>A store whose values are objects of one type. The rest of the store's members are on <see cref="Store"/>.</summary>
/// <typeparam name="T">The type of the values.</typeparam>
public sealed class TypedStore<T>
{
    private readonly IValueSerializer<T> _serializer;

    internal TypedStore(KeyValueStore store, IValueSerializer<T> serializer)
    {
        ArgumentNullException.ThrowIfNull(serializer);
        Store = store;
        _serializer = serializer;
    }

    /// <summary>The store with values as bytes.</summary>
    public KeyValueStore Store { get; }

    /// <inheritdoc cref="KeyValueStore.GetAsync"/>
    /// <exception cref="MalformedDataException">The record's value is none of the type.</exception>
    public async ValueTask<TypedRecord<T>?> GetAsync(StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default) =>
        await Store.GetAsync(key, options, cancellationToken).ConfigureAwait(false) is { } record ? Read(record) : null;

    /// <inheritdoc cref="KeyValueStore.PutAsync"/>
    public ValueTask<WriteResult> PutAsync(StoreKey key, T value, PutOptions? options = null, CancellationToken cancellationToken = default)
    {
        var output = new ArrayBufferWriter<byte>();
        _serializer.Serialize(value, output);
        return Store.PutAsync(key, output.WrittenMemory, options, cancellationToken);
    }

    /// <inheritdoc cref="KeyValueStore.ScanAsync"/>
    /// <exception cref="MalformedDataException">A record's value is none of the type.</exception>
    public async IAsyncEnumerable<TypedRecord<T>> ScanAsync(KeyRange range, ScanOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (StoreRecord record in Store.ScanAsync(range, options, cancellationToken).ConfigureAwait(false)) yield return Read(record);
    }

    /// <summary>Reads a value, changes it and writes it back, again if somebody else wrote meanwhile.</summary>
    /// <param name="key">The record.</param>
    /// <param name="change">Gets the value, or default where there is no record, and gives the new one. May be called several times.</param>
    /// <param name="cancellationToken">Ends it between two attempts.</param>
    /// <returns>What was written. Sessions, times to live and index entries of the record before are not kept.</returns>
    public async ValueTask<WriteResult> UpdateAsync(StoreKey key, Func<T?, T> change, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(change);
        while (true)
        {
            TypedRecord<T>? found = await GetAsync(key, null, cancellationToken).ConfigureAwait(false);
            T value = change(found is { } existing ? existing.Value : default);
            var options = new PutOptions { ExpectedVersion = found?.Version ?? 0 };
            WriteResult result = await PutAsync(key, value, options, cancellationToken).ConfigureAwait(false);
            if (result.Status != StoreStatus.VersionMismatch) return result.ThrowIfRefused();
        }
    }

    private TypedRecord<T> Read(StoreRecord record) => new(_serializer.Deserialize(record.Value.Span), record);
}
