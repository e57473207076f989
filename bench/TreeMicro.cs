using BenchmarkDotNet.Attributes;
using Tidemark.Core.Engines;

namespace Tidemark.Bench;

/// <summary>The ordered tree, one operation at a time on rows that stay in the cache or do not, with allocations.</summary>
[MemoryDiagnoser]
public class TreeMicro
{
    private readonly OrderedTree _tree = new();
    private byte[][] _keys = [];
    private OrderedTreeCursor _cursor = new OrderedTree().OpenCursor();
    private OrderedTreeView _view = new OrderedTree().View();
    private int _next;

    [Params(1000, 1_000_000)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        _keys = TreeRows.Keys(Rows);
        foreach (byte[] key in _keys) _tree.Set(key, TreeRows.Value);
        new Random(1).Shuffle(_keys);
        _view = _tree.View();
        _cursor = _view.OpenCursor();
        _cursor.SeekFirst();
    }

    [Benchmark(Baseline = true)]
    public bool Get() => _view.TryGet(NextKey(), out _);

    [Benchmark]
    public bool Seek() => _cursor.SeekAtOrAfter(NextKey());

    [Benchmark]
    public bool Step() => _cursor.MoveNext() || _cursor.SeekFirst();

    [Benchmark]
    public bool SetInPlace() => _tree.Set(NextKey(), TreeRows.Value);

    [Benchmark]
    public object SetAndView()
    {
        _tree.Set(NextKey(), TreeRows.Value);
        return _tree.View();
    }

    private byte[] NextKey()
    {
        if (++_next == _keys.Length) _next = 0;
        return _keys[_next];
    }
}
