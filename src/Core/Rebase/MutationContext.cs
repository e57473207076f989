using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

using Tidemark.Core.Hashing;

namespace Tidemark;

/// <summary>What a mutator reads and writes, and all it may know besides its arguments.</summary>
/// <remarks>Valid during the call, on its thread. What the mutator wrote counts if it returns; if it rejects or throws, nothing does. Rules: docs/rebase.md.</remarks>
public sealed class MutationContext
{
    private readonly Core.Rebase.IMutationSource _source;
    private readonly SortedDictionary<byte[], byte[]?> _writes = new(ByteOrder.Instance);   // By encoded key; null: deleted.
    private ulong _chance;

    internal MutationContext(Core.Rebase.IMutationSource source, Guid client, long mutation, HybridTimestamp time)
    {
        (_source, Client, MutationId, Time) = (source, client, mutation, time);
        Span<byte> seed = stackalloc byte[16 + sizeof(long)];
        client.TryWriteBytes(seed, bigEndian: true, out _);
        BinaryPrimitives.WriteInt64BigEndian(seed[16..], mutation);
        _chance = MurmurHash3X64.Hash(seed).First;
    }

    /// <summary>The client that called the mutation.</summary>
    public Guid Client { get; }

    /// <summary>The mutation's number among those of its client, from 1.</summary>
    public long MutationId { get; }

    /// <summary>When the mutation was called, by the client's clock: the same in every run.</summary>
    public HybridTimestamp Time { get; }

    /// <summary>What was written, by encoded key; null for what was deleted.</summary>
    internal IReadOnlyDictionary<byte[], byte[]?> Writes => _writes;

    /// <summary>Whether there is a record.</summary>
    public bool Exists(StoreKey key) => TryGet(key, out _);

    /// <summary>Reads a record, with what this mutation has written itself.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value, valid as long as the context.</param>
    /// <returns>False where there is none.</returns>
    public bool TryGet(StoreKey key, out ReadOnlyMemory<byte> value)
    {
        byte[] encoded = Encode(key);
        if (!_writes.TryGetValue(encoded, out byte[]? own)) return _source.TryGet(encoded, out value);
        value = own;
        return own is not null;
    }

    /// <summary>Reads the records of a range, with what this mutation has written itself, in the namespace's order.</summary>
    /// <param name="range">The range.</param>
    /// <param name="reverse">Whether to begin at its end.</param>
    /// <remarks>What is written while it is walked through may show or not. Cost: a step for each record, and one of each write of this mutation in the range.</remarks>
    public IEnumerable<KeyValuePair<StoreKey, ReadOnlyMemory<byte>>> Scan(KeyRange range, bool reverse = false)
    {
        ArgumentNullException.ThrowIfNull(range);
        EncodedKeyRange encoded = _source.Order.Encode(range);
        List<KeyValuePair<byte[], byte[]?>> own = [.. _writes.Where(write => encoded.Contains(write.Key))];
        if (reverse) own.Reverse();
        return Merge(_source.Scan(encoded, reverse), own, reverse ? -1 : 1);
    }

    /// <summary>Writes a record, whether it is there or not.</summary>
    public void Put(StoreKey key, ReadOnlySpan<byte> value) => _writes[Encode(key)] = value.ToArray();

    /// <summary>Deletes a record. One that is not there is no fault.</summary>
    public void Delete(StoreKey key) => _writes[Encode(key)] = null;

    /// <summary>Ends the mutation: it may not be.</summary>
    /// <param name="code">Why, for programs: 1 to 64 characters.</param>
    /// <param name="text">Why, for people: up to 1,024 characters.</param>
    /// <exception cref="MutationRejectedException">Always: let it pass.</exception>
    [DoesNotReturn]
#pragma warning disable CA1822 // It is what this mutation does, and reads so.
    public void Reject(string code, string? text = null) => throw new MutationRejectedException(code, text);
#pragma warning restore CA1822

    /// <summary>A number by chance, the same in every run of this mutation.</summary>
    public ulong NextRandom() => SplitMix64.Next(ref _chance);

    /// <summary>An id that nobody else has, the same in every run of this mutation.</summary>
    public Guid NewId()
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, NextRandom());
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], NextRandom());
        bytes[6] = (byte)((bytes[6] & 0x0F) | 0x80);   // RFC 9562, version 8: of our own making.
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return new Guid(bytes, bigEndian: true);
    }

    private byte[] Encode(StoreKey key)
    {
        byte[] encoded = new byte[_source.Order.GetEncodedLength(key.Span)];
        _source.Order.Encode(key.Span, encoded);
        return encoded;
    }

    private IEnumerable<KeyValuePair<StoreKey, ReadOnlyMemory<byte>>> Merge(
        IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> found, List<KeyValuePair<byte[], byte[]?>> own, int direction)
    {
        int next = 0;
        foreach ((byte[] key, ReadOnlyMemory<byte> value) in found)
        {
            bool isReplaced = false;
            for (; next < own.Count && !isReplaced; next++)
            {
                int order = direction * own[next].Key.AsSpan().SequenceCompareTo(key);
                if (order > 0) break;
                isReplaced = order == 0;
                if (own[next].Value is { } written) yield return Decoded(own[next].Key, written);
            }

            if (!isReplaced) yield return Decoded(key, value);
        }

        for (; next < own.Count; next++)
        {
            if (own[next].Value is { } written) yield return Decoded(own[next].Key, written);
        }
    }

    private KeyValuePair<StoreKey, ReadOnlyMemory<byte>> Decoded(byte[] encodedKey, ReadOnlyMemory<byte> value) => new(_source.Order.Decode(encodedKey), value);
}
