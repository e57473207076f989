using BenchmarkDotNet.Attributes;

namespace Tidemark.Bench;

/// <summary>Clock and timestamp, one operation at a time, with allocations.</summary>
[MemoryDiagnoser]
public class ClockMicro
{
    private readonly HybridClock _clock = new(TimeProvider.System);
    private readonly byte[] _bytes = new byte[HybridTimestamp.SizeInBytes];
    private readonly char[] _text = new char[HybridTimestamp.TextLength];
    private long _word;
    private HybridTimestamp _stamp;

    [GlobalSetup]
    public void Fill()
    {
        _stamp = _clock.Now();
        _stamp.TryFormat(_text, out _);
    }

    [Benchmark(Baseline = true, Description = "clock read + one CAS")]
    public long Floor() => Interlocked.CompareExchange(ref _word, DateTime.UtcNow.Ticks, Volatile.Read(ref _word));

    [Benchmark]
    public HybridTimestamp Now() => _clock.Now();

    [Benchmark]
    public HybridTimestamp Observe() => _clock.Observe(_stamp);

    [Benchmark]
    public HybridTimestamp Reserve1000() => _clock.Reserve(1000);

    [Benchmark]
    public void WriteBytes() => _stamp.WriteTo(_bytes);

    [Benchmark]
    public bool FormatText() => _stamp.TryFormat(_text, out _);

    [Benchmark]
    public HybridTimestamp ParseText() => HybridTimestamp.Parse(_text);
}
