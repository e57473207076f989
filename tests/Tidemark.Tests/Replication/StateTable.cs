using System.Runtime.InteropServices;

namespace Tidemark.Tests.Replication;

/// <summary>States that were seen: by a fingerprint of 128 bits of what the parts are, and for each the sets of messages that there were. Threads may add at once.</summary>
/// <param name="isExact">False where a set of messages makes those that it includes superfluous.</param>
internal sealed class StateTable(bool isExact)
{
    private readonly Shard[] _shards = [.. Enumerable.Range(0, 256).Select(_ => new Shard(isExact))];

    /// <summary>Adds a state; false where it was there, or one that can do all that it can.</summary>
    internal bool Add(UInt128 parts, ReadOnlySpan<int> messages)
    {
        Shard shard = ShardOf(parts);
        lock (shard) return shard.Add(parts, messages);
    }

    /// <summary>Whether a state that was added is still there, and none that can do more.</summary>
    internal bool Contains(UInt128 parts, ReadOnlySpan<int> messages)
    {
        Shard shard = ShardOf(parts);
        lock (shard) return shard.Contains(parts, messages);
    }

    private Shard ShardOf(UInt128 parts) => _shards[(int)(uint)(parts >> 120)];

    /// <summary>
    /// Open addressing over fingerprints; the sets of each are a list in one large space: where the next begins (two numbers), how many messages, a bit for each of them (four numbers), the messages.
    /// Lists are long, and the bits tell most sets apart without a look at their messages.
    /// </summary>
    private sealed class Shard(bool isExact)
    {
        private const int Bits = 3, Start = 7, ChunkBits = 14, ChunkLength = 1 << ChunkBits;

        private readonly List<ushort[]> _chunks = [new ushort[ChunkLength]];
        private UInt128[] _keys = new UInt128[64];
        private int[] _lists = new int[64];
        private int _count;
        private int _end = 1;   // 0 is nowhere.

        internal bool Add(UInt128 key, ReadOnlySpan<int> messages)
        {
            if (_count >= _keys.Length / 4 * 3) Grow();
            int place = Find(_keys, key);
            if (_keys[place] == 0) _count++;
            _keys[place] = key;
            ulong bits = BitsOf(messages);
            int before = 0;
            for (int at = _lists[place], next; at != 0; at = next)
            {
                Span<ushort> set = At(at);
                next = set[0] | (set[1] << 16);
                ulong known = MemoryMarshal.Read<ulong>(MemoryMarshal.AsBytes(set[Bits..]));
                if ((bits & ~known) == 0 && Includes(set.Slice(Start, set[2]), messages)) return false;
                if (isExact || (known & ~bits) != 0 || !IsIncluded(set.Slice(Start, set[2]), messages)) before = at;
                else if (before == 0) _lists[place] = next;
                else set[..2].CopyTo(At(before));
            }

            int added = Append(messages, bits);
            if (before == 0) _lists[place] = added;
            else (At(before)[0], At(before)[1]) = ((ushort)added, (ushort)(added >> 16));
            return true;
        }

        internal bool Contains(UInt128 key, ReadOnlySpan<int> messages)
        {
            ulong bits = BitsOf(messages);
            for (int at = _lists[Find(_keys, key)], next; at != 0; at = next)
            {
                Span<ushort> set = At(at);
                next = set[0] | (set[1] << 16);
                if (set[2] == messages.Length && bits == MemoryMarshal.Read<ulong>(MemoryMarshal.AsBytes(set[Bits..])) && Includes(set.Slice(Start, set[2]), messages)) return true;
            }

            return false;
        }

        private static int Find(UInt128[] keys, UInt128 key)
        {
            int at = (int)(uint)key & (keys.Length - 1);
            while (keys[at] != 0 && keys[at] != key) at = (at + 1) & (keys.Length - 1);
            return at;
        }

        private bool Includes(Span<ushort> set, ReadOnlySpan<int> messages)
        {
            if (set.Length < messages.Length || (isExact && set.Length != messages.Length)) return false;
            int i = 0;
            foreach (int message in messages)
            {
                while (i < set.Length && set[i] < message) i++;
                if (i == set.Length || set[i] != message) return false;
            }

            return true;
        }

        private static bool IsIncluded(Span<ushort> set, ReadOnlySpan<int> messages)
        {
            if (set.Length > messages.Length) return false;
            int i = 0;
            foreach (ushort message in set)
            {
                while (i < messages.Length && messages[i] < message) i++;
                if (i == messages.Length || messages[i] != message) return false;
            }

            return true;
        }

        private Span<ushort> At(int at) => _chunks[at >> ChunkBits].AsSpan(at & (ChunkLength - 1));

        private static ulong BitsOf(ReadOnlySpan<int> messages)
        {
            ulong bits = 0;
            foreach (int message in messages) bits |= 1UL << (int)((uint)message * 0x9E3779B9 >> 26);
            return bits;
        }

        private int Append(ReadOnlySpan<int> messages, ulong bits)
        {
            int length = Start + messages.Length;
            if ((_end & (ChunkLength - 1)) + length > ChunkLength) _end = _chunks.Count << ChunkBits;
            if (_end >> ChunkBits == _chunks.Count) _chunks.Add(new ushort[ChunkLength]);
            int at = _end;
            Span<ushort> set = At(at);
            set[0] = set[1] = 0;
            set[2] = (ushort)messages.Length;
            MemoryMarshal.Write(MemoryMarshal.AsBytes(set[Bits..]), bits);
            for (int i = 0; i < messages.Length; i++) set[Start + i] = checked((ushort)messages[i]);
            _end += length;
            return at;
        }

        private void Grow()
        {
            (UInt128[] keys, int[] lists) = (new UInt128[_keys.Length * 2], new int[_keys.Length * 2]);
            for (int i = 0; i < _keys.Length; i++)
            {
                if (_keys[i] == 0) continue;
                int place = Find(keys, _keys[i]);
                (keys[place], lists[place]) = (_keys[i], _lists[i]);
            }

            (_keys, _lists) = (keys, lists);
        }
    }
}
