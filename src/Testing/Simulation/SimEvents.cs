namespace Tidemark.Testing.Simulation;

/// <summary>What is to happen, by its time and, at one time, in the order it was put in.</summary>
/// <remarks>A heap of four: a simulation spends a good part of its time in here, and PriorityQueue asks a comparer for each step.</remarks>
internal sealed class SimEvents
{
    private const int Arity = 4;

    private Event[] _heap = new Event[256];
    private int _count;
    private long _number;

    /// <summary>When the next is due; none is never.</summary>
    internal long NextAt => _count == 0 ? long.MaxValue : _heap[0].At;

    internal void Add(long at, Action action)
    {
        if (_count == _heap.Length) Array.Resize(ref _heap, 2 * _count);
        var added = new Event(at, _number++, action);
        int place = _count++;
        while (place > 0)
        {
            int above = (place - 1) / Arity;
            if (!added.IsBefore(_heap[above])) break;
            _heap[place] = _heap[above];
            place = above;
        }

        _heap[place] = added;
    }

    /// <summary>Takes the next, of which there is one.</summary>
    internal Action Take()
    {
        Action first = _heap[0].Action;
        Event last = _heap[--_count];
        _heap[_count] = default;
        int place = 0;
        while (true)
        {
            int least = (place * Arity) + 1;
            if (least >= _count) break;
            int end = Math.Min(least + Arity, _count);
            for (int below = least + 1; below < end; below++)
            {
                if (_heap[below].IsBefore(_heap[least])) least = below;
            }

            if (!_heap[least].IsBefore(last)) break;
            _heap[place] = _heap[least];
            place = least;
        }

        if (_count > 0) _heap[place] = last;
        return first;
    }

    private readonly struct Event(long at, long number, Action action)
    {
        internal readonly long At = at;
        internal readonly Action Action = action;
        private readonly long _number = number;

        internal bool IsBefore(in Event other) => At != other.At ? At < other.At : _number < other._number;
    }
}
