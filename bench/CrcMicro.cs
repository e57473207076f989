using BenchmarkDotNet.Attributes;
using Tidemark.Core.Hashing;

namespace Tidemark.Bench;

/// <summary>Checksums and hashes over one buffer, with allocations.</summary>
[MemoryDiagnoser]
public class CrcMicro
{
    private byte[] _bytes = [];

    [Params(8, 128, 1024, 65536)]
    public int Bytes { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        _bytes = new byte[Bytes];
        new Random(1).NextBytes(_bytes);
    }

    [Benchmark(Baseline = true)]
    public uint Crc32CCompute() => Crc32C.Compute(_bytes);

    [Benchmark]
    public uint XxHash32Compute() => XxHash32.HashToUInt32(_bytes);

    [Benchmark]
    public uint MurmurHash3Compute() => MurmurHash3.HashToUInt32(_bytes);

    [Benchmark]
    public ContentId ContentIdCompute() => ContentId.Compute(_bytes);
}
