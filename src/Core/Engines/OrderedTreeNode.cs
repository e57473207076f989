using System.Buffers.Binary;
using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Tidemark.Core.Engines;

/// <summary>What leaves and inner nodes share: keys in ascending order, and the search among them.</summary>
/// <remarks>
/// All keys of a node begin with the same bytes, and what distinguishes them behind that, the head, stands once more as a number in
/// <see cref="Heads"/>. A search counts the heads below the sought one without a branch, and looks into a key's own bytes only where long keys have
/// equal heads. A node is one flat object, so that the places it is read at are known before the first has come from memory: a search of
/// a cold tree waits about twice per node.
/// </remarks>
internal abstract class OrderedTreeNode
{
    /// <summary>A node with so many keys is split at once, so none has more than one less for long.</summary>
    /// <remarks>Measured: 32 and 64 search alike, 64 makes each published change copy more, 32 is one level deeper.</remarks>
    public const int Capacity = 48;

    /// <summary>Two neighbours with no more entries than this together become one when a removal shrinks either.</summary>
    public const int MergeEntries = Capacity / 2;

    private const int LongRest = 8;   // How a head says that there are more bytes than it holds.
    private const int InlinePrefixBytes = 64;

    /// <summary>How many keys there are.</summary>
    public int Count;

    /// <summary>How many bytes all keys are known to begin with alike. It may have become more since by a removal.</summary>
    public int PrefixLength;

    public HeadSlots Heads;   // An unused slot is above every head.
    public KeySlots Keys;

    private PrefixBytes _prefix;   // If it fits: else it is read from the first key.
    private object? _owner;   // The edit that may change this node in place. Only ever compared.
    private int _newest;      // Where the last key was inserted, to tell where the next ones will probably be.
    private bool _inRun;      // It was inserted beside the one before.

    protected OrderedTreeNode(object? owner)
    {
        _owner = owner;
        ((Span<long>)Heads).Fill(long.MaxValue);
    }

    /// <summary>Rows of a leaf, children of an inner node.</summary>
    public abstract int EntryCount { get; }

    public bool IsFull => Count == Capacity;

    public ReadOnlySpan<byte> Prefix => PrefixLength <= InlinePrefixBytes ? ((ReadOnlySpan<byte>)_prefix)[..PrefixLength] : Keys[0].AsSpan(0, PrefixLength);

    /// <summary>
    /// How many entries a full node best keeps. Keys often come in order, up or down, also in the middle of others: then the cut is made where they
    /// come in, so that nodes are left full. Otherwise it halves.
    /// </summary>
    public int SplitPoint
    {
        get
        {
            if (!_inRun) return EntryCount / 2;
            int newest = _newest + EntryCount - Count;   // An inner node's new child stands behind the new key.
            return newest == EntryCount - 1 ? newest : newest + 1;
        }
    }

    /// <summary>Sets a value below this node.</summary>
    /// <returns>The node that takes this one's place: itself where the edit owns it. It may be full; its parent splits it.</returns>
    public abstract OrderedTreeNode Set(object owner, byte[] key, byte[] value, out byte[]? replaced);

    /// <summary>Removes a key below this node.</summary>
    /// <returns>The node that takes this one's place; null if it holds nothing any more.</returns>
    public abstract OrderedTreeNode? Remove(object owner, ReadOnlySpan<byte> key, out KeyValuePair<byte[], byte[]>? removed);

    /// <summary>Moves all but the lowest entries to a new node. The separator is above what stays, not above what goes.</summary>
    public abstract OrderedTreeNode SplitOff(int keep, object owner, out byte[] separator);

    /// <summary>Takes in all entries of the neighbour behind, which stays as it is. The separator is the one between them.</summary>
    public abstract void Absorb(OrderedTreeNode right, byte[] separator);

    /// <summary>This node if the edit owns it, else a copy that it owns.</summary>
    public OrderedTreeNode OwnedBy(object owner)
    {
        if (ReferenceEquals(_owner, owner)) return this;
        var copy = (OrderedTreeNode)MemberwiseClone();
        copy._owner = owner;
        return copy;
    }

    /// <summary>Counts the keys below one, and says whether it stands behind them.</summary>
    public int Find(ReadOnlySpan<byte> key, out bool found)
    {
        ReadOnlySpan<byte> prefix = Prefix;
        if (!key.StartsWith(prefix))
        {
            found = false;
            return key.SequenceCompareTo(prefix) < 0 ? 0 : Count;
        }

        long head = Head(key, prefix.Length);
        int at = CountHeadsBelow(head);
        found = at < Count && Heads[at] == head;
        return found && (byte)head == LongRest ? FindAmongEqualHeads(at, key, out found) : at;
    }

    /// <summary>
    /// The first seven bytes of a key from a place on, zeros where it has ended, and how many more bytes it has there, up to eight: as a number that
    /// sorts as the keys do. Two keys of one number are the same key, unless they have more than seven bytes.
    /// </summary>
    public static long Head(ReadOnlySpan<byte> key, int from)
    {
        int rest = key.Length - from;
        ulong head = 0;
        if (rest >= LongRest) head = (BinaryPrimitives.ReadUInt64BigEndian(key[from..]) & ~0xFFUL) | LongRest;
        else if (key.Length >= sizeof(ulong)) head = (BinaryPrimitives.ReadUInt64BigEndian(key[^sizeof(ulong)..]) << (8 * (7 - rest)) << 8) | (uint)rest;
        else
        {
            for (int i = 0; i < rest; i++) head = (head << 8) | key[from + i];
            head = (head << (8 * (7 - rest)) << 8) | (uint)rest;
        }

        return (long)(head ^ (1UL << 63));   // Vectors compare signed numbers on every processor.
    }

    protected void InsertKey(int at, byte[] key)
    {
        Debug.Assert(Count < Capacity, "a full node was split");
        if (Count > 0 && (at == 0 || at == Count))   // A key between two others begins as they do.
        {
            int common = key.AsSpan().CommonPrefixLength(Prefix);
            if (common < PrefixLength) SetPrefix(common);
        }

        Span<byte[]> keys = Keys;
        Span<long> heads = Heads;
        keys[at..Count].CopyTo(keys[(at + 1)..]);
        heads[at..Count].CopyTo(heads[(at + 1)..]);
        keys[at] = key;
        heads[at] = Head(key, PrefixLength);
        if (++Count == 1) SetPrefix(key.Length);
        _inRun = at == _newest || at == _newest + 1;
        _newest = at;
    }

    protected void RemoveKey(int at)
    {
        Span<byte[]> keys = Keys;
        Span<long> heads = Heads;
        keys[(at + 1)..Count].CopyTo(keys[at..]);
        heads[(at + 1)..Count].CopyTo(heads[at..]);
        Cut(Count - 1);
        if (Count == 0) PrefixLength = 0;
    }

    /// <summary>Appends keys of another node, which stand above all here, as they are; <see cref="Reindex"/> follows.</summary>
    protected void AppendKeys(OrderedTreeNode source, int from)
    {
        Span<byte[]> all = source.Keys, keys = Keys;
        all[from..source.Count].CopyTo(keys[Count..]);
        _newest = Count + source._newest - from;
        Count += source.Count - from;
    }

    /// <summary>Drops the keys from a place on.</summary>
    protected void Cut(int count)
    {
        ((Span<byte[]>)Keys)[count..Count].Clear();
        ((Span<long>)Heads)[count..Count].Fill(long.MaxValue);
        Count = count;
    }

    /// <summary>Finds the longest common prefix, and all heads anew.</summary>
    protected void Reindex() => SetPrefix(Count == 0 ? 0 : Keys[0].AsSpan().CommonPrefixLength(Keys[Count - 1]));

    private void SetPrefix(int length)
    {
        PrefixLength = length;
        if (length is > 0 and <= InlinePrefixBytes) Keys[0].AsSpan(0, length).CopyTo(_prefix);
        for (int i = 0; i < Count; i++) Heads[i] = Head(Keys[i], length);
    }

    private int FindAmongEqualHeads(int low, ReadOnlySpan<byte> key, out bool found)
    {
        int high = low;
        long head = Heads[low];
        while (high < Count && Heads[high] == head) high++;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            int order = key.SequenceCompareTo(Keys[middle]);
            if (order == 0)
            {
                found = true;
                return middle;
            }

            if (order < 0) high = middle;
            else low = middle + 1;
        }

        found = false;
        return low;
    }

    /// <summary>Looks at every slot whatever the count: on so few numbers that is faster than any search that decides on its way.</summary>
    private int CountHeadsBelow(long head)
    {
        Debug.Assert(Capacity % (2 * Vector<long>.Count) == 0, "a node is whole pairs of vectors");
        ref long first = ref Heads[0];
        var sought = new Vector<long>(head);
        Vector<long> even = Vector<long>.Zero, odd = Vector<long>.Zero;
        for (int i = 0; i < Capacity; i += 2 * Vector<long>.Count)
        {
            even += Vector.LessThan(Vector.LoadUnsafe(ref first, (nuint)i), sought);   // All bits set is -1.
            odd += Vector.LessThan(Vector.LoadUnsafe(ref first, (nuint)(i + Vector<long>.Count)), sought);
        }

        return -(int)Vector.Sum(even + odd);
    }

    [InlineArray(InlinePrefixBytes)]
    private struct PrefixBytes
    {
        private byte _first;
    }

    [InlineArray(Capacity)]
    internal struct HeadSlots
    {
        private long _first;
    }

    [InlineArray(Capacity)]
    internal struct KeySlots
    {
        private byte[] _first;
    }
}
