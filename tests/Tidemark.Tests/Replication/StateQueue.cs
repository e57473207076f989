namespace Tidemark.Tests.Replication;

/// <summary>States one after the other, each behind its length.</summary>
internal sealed class StateQueue
{
    private const int ChunkLength = 1 << 16;

    private readonly List<(int[] Numbers, int Length)> _chunks = [];

    internal delegate void Visitor(ReadOnlySpan<int> state);

    internal long Count { get; private set; }

    internal int Chunks => _chunks.Count;

    internal static StateQueue Join(StateQueue[] queues)
    {
        var joined = new StateQueue();
        foreach (StateQueue queue in queues)
        {
            joined._chunks.AddRange(queue._chunks);
            joined.Count += queue.Count;
        }

        return joined;
    }

    internal void Add(ReadOnlySpan<int> state)
    {
        if (_chunks.Count == 0 || _chunks[^1].Length + state.Length + 1 > ChunkLength) _chunks.Add((new int[ChunkLength], 0));
        (int[] numbers, int length) = _chunks[^1];
        numbers[length] = state.Length;
        state.CopyTo(numbers.AsSpan(length + 1));
        _chunks[^1] = (numbers, length + 1 + state.Length);
        Count++;
    }

    /// <summary>Visits the states of one chunk, which is gone then.</summary>
    internal void Visit(int chunk, Visitor visitor)
    {
        (int[] numbers, int length) = _chunks[chunk];
        for (int at = 0; at < length; at += 1 + numbers[at]) visitor(numbers.AsSpan(at + 1, numbers[at]));
        _chunks[chunk] = ([], 0);
    }
}
