using System.Diagnostics;

namespace Tidemark.Bench;

/// <summary>What a timestamp costs beside the least it can cost: one reading of the wall clock and one compare-and-swap.</summary>
/// <remarks>Rounds of floor and clock are interleaved, so that a busy machine slows both; each figure is the median of its rounds.</remarks>
internal static class ClockBench
{
    private const int BatchCount = 1000;   // A single stamp is too short to time; percentiles are of a batch's mean.

    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (int threads in (int[])[1, 2])
        {
            var floor = new Rounds();
            var now = new Rounds();
            var observe = new Rounds();
            var word = new Word();
            var clock = new HybridClock(TimeProvider.System);
            var time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 3);
            for (int round = 0; round < options.Rounds; round++)
            {
                floor.Add(threads, time, new FloorBatch(word));
                now.Add(threads, time, new NowBatch(clock));
                observe.Add(threads, time, new ObserveBatch(clock));
            }
            yield return now.ToRow("clock-now", threads, floor);
            yield return observe.ToRow("clock-observe", threads, floor);
        }
    }

    private interface IBatch
    {
        void Run();
    }

    private sealed class Word
    {
        public long Value;
    }

    private readonly struct FloorBatch(Word word) : IBatch
    {
        public void Run()
        {
            for (int i = 0; i < BatchCount; i++)
                Interlocked.CompareExchange(ref word.Value, DateTime.UtcNow.Ticks, Volatile.Read(ref word.Value));
        }
    }

    private readonly struct NowBatch(HybridClock clock) : IBatch
    {
        public void Run()
        {
            for (int i = 0; i < BatchCount; i++) clock.Now();
        }
    }

    private readonly struct ObserveBatch(HybridClock clock) : IBatch
    {
        public void Run()
        {
            HybridTimestamp remote = clock.Last;
            for (int i = 0; i < BatchCount; i++) remote = clock.Observe(remote);
        }
    }

    /// <summary>The rounds of one thing: operations per second of each, and all batch times.</summary>
    private sealed class Rounds
    {
        private readonly List<double> _opsPerSecond = [];
        private readonly List<double> _batchMicroseconds = [];

        public double MedianOpsPerSecond => Percentile(_opsPerSecond, 0.5);

        public BenchRow ToRow(string name, int threads, Rounds floor) => new(
            name, threads, MedianOpsPerSecond, Percentile(_batchMicroseconds, 0.5), Percentile(_batchMicroseconds, 0.99), floor.MedianOpsPerSecond);

        public void Add<TBatch>(int threads, TimeSpan time, TBatch batch) where TBatch : struct, IBatch
        {
            using var start = new Barrier(threads);
            var perThread = new List<double>[threads];
            var rates = new double[threads];
            var workers = new Thread[threads];
            for (int t = 0; t < threads; t++)
            {
                int index = t;
                workers[t] = new Thread(() =>
                {
                    TBatch own = batch;
                    start.SignalAndWait();
                    (perThread[index], rates[index]) = RunUntil(time, own);
                });
                workers[t].Start();
            }
            foreach (Thread worker in workers) worker.Join();
            foreach (List<double> times in perThread) _batchMicroseconds.AddRange(times);
            _opsPerSecond.Add(rates.Sum());
        }

        private static (List<double> Times, double OpsPerSecond) RunUntil<TBatch>(TimeSpan time, TBatch batch) where TBatch : struct, IBatch
        {
            var times = new List<double>(capacity: 1 << 14);
            long begin = Stopwatch.GetTimestamp();
            long before = begin;
            do
            {
                batch.Run();
                long after = Stopwatch.GetTimestamp();
                times.Add(Stopwatch.GetElapsedTime(before, after).TotalMicroseconds / BatchCount);
                before = after;
            }
            while (Stopwatch.GetElapsedTime(begin, before) < time);
            return (times, times.Count * BatchCount / Stopwatch.GetElapsedTime(begin, before).TotalSeconds);
        }

        private static double Percentile(List<double> values, double part)
        {
            List<double> sorted = [.. values.Order()];
            return sorted[(int)(part * (sorted.Count - 1))];
        }
    }
}
