namespace Tidemark.Tests.Replication;

/// <summary>Things with numbers: what is the same has one number. Threads may add at once.</summary>
internal sealed class Numbered<T>
    where T : class
{
    private readonly Dictionary<UInt128, int> _numbers = [];
    private T[] _things = new T[64];

    internal int Count { get; private set; }

    internal T this[int number] => Volatile.Read(ref _things)[number];

    internal int Add(UInt128 key, T thing)
    {
        lock (_numbers)
        {
            if (_numbers.TryGetValue(key, out int number)) return number;
            if (Count == _things.Length)
            {
                var larger = new T[Count * 2];
                _things.CopyTo(larger, 0);
                larger[Count] = thing;
                Volatile.Write(ref _things, larger);
            }

            _things[Count] = thing;
            _numbers.Add(key, Count);
            return Count++;
        }
    }
}
