using System.Buffers.Binary;
using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Tidemark.Core.Engines;

/// <summary>What leaves and inner nodes share: keys in ascending order, and the search among them.</summary>
/// <remarks>
/// All keys of a node begin with the same <see cref="PrefixLength"/> bytes, and the eight bytes behind them, the head, stand once more as a number
/// in <see cref="Heads"/>. A search counts the heads below the sought one without a branch and looks into a key itself only where heads are equal.
/// A node is one flat object, so that the places it is read at are known before the first has come from memory.
/// </remarks>
internal abstract class OrderedTreeNode
{
    /// <summary>A node with so many keys is split at once, so none has more than one less for long.</summary>
    public const int Capacity = 64;

    /// <summary>Two neighbours with no more entries than this together become one when a removal shrinks either.</summary>
    public const int MergeEntries = Capacity / 2;

    /// <summary>How many keys there are.</summary>
    public int Count;

    /// <summary>How many bytes all keys are known to begin with alike. It may have become more since by a removal.</summary>
    public int PrefixLength;

    public HeadSlots Heads;   // An unused slot is above or equal to every head.
    public KeySlots Keys;

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
        if (PrefixLength > 0)
        {
            int order = key[..Math.Min(key.Length, PrefixLength)].SequenceCompareTo(Keys[0].AsSpan(0, PrefixLength));
            if (order != 0)
            {
                found = false;
                return order < 0 ? 0 : Count;
            }
        }

        return FindPrefixed(key, out found);
    }

    /// <summary>As <see cref="Find"/>, for a key that begins as all here do. Of any other key it says rightly that it was not found, and no place.</summary>
    public int FindPrefixed(ReadOnlySpan<byte> key, out bool found)
    {
        long head = Head(key, PrefixLength);
        int low = CountHeadsBelow(head), high = low;
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

    /// <summary>The eight bytes of a key from a place on, zeros where it has ended, as a number that sorts as they do.</summary>
    public static long Head(ReadOnlySpan<byte> key, int from)
    {
        int left = key.Length - from;
        ulong head = 0;
        if (left >= sizeof(ulong)) head = BinaryPrimitives.ReadUInt64BigEndian(key[from..]);
        else if (left > 0 && key.Length >= sizeof(ulong)) head = BinaryPrimitives.ReadUInt64BigEndian(key[^sizeof(ulong)..]) << (8 * (sizeof(ulong) - left));
        else for (int i = 0; i < left; i++) head |= (ulong)key[from + i] << (8 * (sizeof(ulong) - 1 - i));
        return (long)(head ^ (1UL << 63));   // Vectors compare signed numbers on every processor.
    }

    protected void InsertKey(int at, byte[] key)
    {
        Debug.Assert(Count < Capacity, "a full node was split");
        if (Count == 0) PrefixLength = key.Length;
        else if (at == 0 || at == Count)   // A key between two others begins as they do.
        {
            int common = key.AsSpan().CommonPrefixLength(Keys[0].AsSpan(0, PrefixLength));
            if (common < PrefixLength) SetPrefix(common);
        }

        Span<byte[]> keys = Keys;
        Span<long> heads = Heads;
        keys[at..Count].CopyTo(keys[(at + 1)..]);
        heads[at..Count].CopyTo(heads[(at + 1)..]);
        keys[at] = key;
        heads[at] = Head(key, PrefixLength);
        Count++;
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
        for (int i = 0; i < Count; i++) Heads[i] = Head(Keys[i], length);
    }

    /// <summary>Looks at every slot whatever the count: on 64 numbers that is faster than any search that decides on its way.</summary>
    private int CountHeadsBelow(long head)
    {
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
