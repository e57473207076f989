using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Tidemark.Tests.Simulation;

/// <summary>A state machine of a user's own: named counters. Command: a signed 64-bit number, big-endian, then the counter's name; the answer is what the counter is then.</summary>
internal sealed class CounterMachine : IStateMachine
{
    private readonly SortedDictionary<string, long> _counters = new(StringComparer.Ordinal);

    public StatePosition Position { get; private set; } = StatePosition.Start;

    public StateHash Hash { get; private set; }

    public void Apply(in StateEntry entry, IBufferWriter<byte> answer)
    {
        Position = entry.Position;
        if (entry.Payload.Length < sizeof(long)) return;   // What is no command changes nothing, everywhere alike.
        string name = Encoding.UTF8.GetString(entry.Payload.Span[sizeof(long)..]);
        if (_counters.TryGetValue(name, out long before)) Hash = Hash.Without(Encoding.UTF8.GetBytes(name), Bytes(before));
        long now = unchecked(before + BinaryPrimitives.ReadInt64BigEndian(entry.Payload.Span));
        _counters[name] = now;
        Hash = Hash.With(Encoding.UTF8.GetBytes(name), Bytes(now));
        answer.Write(Bytes(now));
    }

    public void Query(ReadOnlySpan<byte> request, IBufferWriter<byte> answer) =>
        answer.Write(Bytes(_counters.GetValueOrDefault(Encoding.UTF8.GetString(request))));

    public IStateSnapshot TakeSnapshot() => new Snapshot(Position, Hash, [.. _counters]);

    public void Restore(IEnumerable<ReadOnlyMemory<byte>> pieces, StatePosition position)
    {
        _counters.Clear();
        Hash = default;
        foreach (ReadOnlyMemory<byte> piece in pieces)
        {
            string name = Encoding.UTF8.GetString(piece.Span[sizeof(long)..]);
            _counters[name] = BinaryPrimitives.ReadInt64BigEndian(piece.Span);
            Hash = Hash.With(Encoding.UTF8.GetBytes(name), piece.Span[..sizeof(long)]);
        }

        Position = position;
    }

    internal static byte[] Command(string name, long add) => [.. Bytes(add), .. Encoding.UTF8.GetBytes(name)];

    private static byte[] Bytes(long value)
    {
        byte[] bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        return bytes;
    }

    private sealed class Snapshot(StatePosition position, StateHash hash, KeyValuePair<string, long>[] counters) : IStateSnapshot
    {
        private int _next;

        public StatePosition Position => position;

        public StateHash Hash => hash;

        public bool WriteNext(IBufferWriter<byte> piece)
        {
            if (_next == counters.Length) return false;
            (string name, long value) = counters[_next++];
            piece.Write(Command(name, value));
            return true;
        }

        public void Dispose()
        {
        }
    }
}
