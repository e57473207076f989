using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Tidemark.Core.Hashing;

namespace Tidemark.Bench;

/// <summary>What a checksum costs beside the least it can cost: three chains of the processor's instruction side by side, never joined.</summary>
/// <remarks>
/// An operation is one whole buffer; the buffer stays in the cache. The floor's result is no checksum of anything. Beside each size stands
/// a row for one plain chain, which is what the processor's instruction gives without lanes. Rounds are interleaved; figures are medians.
/// </remarks>
internal static class CrcBench
{
    private const int BatchBytes = 1 << 20;   // A small buffer is too short to time; percentiles are of a batch's mean.

    private static uint _sink;

    private delegate uint Checksum(ReadOnlySpan<byte> bytes);

    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        (string Name, int Bytes)[] sizes = [("128B", 128), ("1KiB", 1 << 10), ("64KiB", 1 << 16), ("1MiB", 1 << 20)];
        foreach ((string name, int bytes) in sizes)
        {
            byte[] buffer = new byte[bytes];
            new Random(bytes).NextBytes(buffer);
            var ours = new List<double>();
            var chain = new List<double>();
            var floor = new List<double>();
            TimeSpan time = TimeSpan.FromSeconds(options.Seconds / sizes.Length / options.Rounds / 3);
            TimeSpan warm = TimeSpan.FromMilliseconds(300);   // Until the loops are compiled for good.
            Measure([], warm, Crc32C.Compute, buffer);
            Measure([], warm, OneChain, buffer);
            Measure([], warm, ThreeChainsNotJoined, buffer);

            var medians = new List<(double Floor, double Ours, double Chain)>();
            for (int round = 0; round < options.Rounds; round++)
                medians.Add((Measure(floor, time, ThreeChainsNotJoined, buffer), Measure(ours, time, Crc32C.Compute, buffer), Measure(chain, time, OneChain, buffer)));

            double floorRate = Part(medians.Select(round => round.Floor), 0.5);
            yield return Row($"crc32c-{name}", medians.Select(round => round.Ours), ours, floorRate);
            yield return Row($"crc32c-one-chain-{name}", medians.Select(round => round.Chain), chain, floorRate);
        }
    }

    private static BenchRow Row(string name, IEnumerable<double> rates, List<double> microseconds, double floorRate)
        => new(name, 1, Part(rates, 0.5), Part(microseconds, 0.5), Part(microseconds, 0.99), floorRate);

    /// <summary>Runs batches for that long.</summary>
    /// <returns>Buffers per second. The mean time of a buffer in each batch is added to <paramref name="microseconds"/>.</returns>
    private static double Measure(List<double> microseconds, TimeSpan time, Checksum checksum, byte[] buffer)
    {
        int batch = Math.Max(1, BatchBytes / buffer.Length);
        long count = 0;
        long begin = Stopwatch.GetTimestamp(), before = begin;
        do
        {
            for (int i = 0; i < batch; i++) _sink ^= checksum(buffer);
            long after = Stopwatch.GetTimestamp();
            microseconds.Add(Stopwatch.GetElapsedTime(before, after).TotalMicroseconds / batch);
            (before, count) = (after, count + batch);
        }
        while (Stopwatch.GetElapsedTime(begin, before) < time);
        return count / Stopwatch.GetElapsedTime(begin, before).TotalSeconds;
    }

    private static uint OneChain(ReadOnlySpan<byte> bytes)
    {
        uint state = uint.MaxValue;
        foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(bytes)) state = BitOperations.Crc32C(state, word);
        return ~state;
    }

    private static uint ThreeChainsNotJoined(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        ref ulong start = ref MemoryMarshal.GetReference(words);
        nint lane = words.Length / 3;
        uint first = uint.MaxValue, second = 0, third = 0;
        for (nint i = 0; i < lane; i++)
        {
            first = BitOperations.Crc32C(first, Unsafe.Add(ref start, i));
            second = BitOperations.Crc32C(second, Unsafe.Add(ref start, i + lane));
            third = BitOperations.Crc32C(third, Unsafe.Add(ref start, i + (2 * lane)));
        }

        for (nint i = 3 * lane; i < words.Length; i++) third = BitOperations.Crc32C(third, Unsafe.Add(ref start, i));
        return first ^ second ^ third;
    }

    private static double Part(IEnumerable<double> values, double part)
    {
        List<double> sorted = [.. values.Order()];
        return sorted[(int)(part * (sorted.Count - 1))];
    }
}
