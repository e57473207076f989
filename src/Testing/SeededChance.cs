using Tidemark.Core.Hashing;

namespace Tidemark.Testing;

/// <summary>Chance from a seed: the same on every machine and every version of .NET, so a seed in a bug report stays good.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class SeededChance(ulong seed)
{
    private ulong _state = seed;

    /// <summary>A source of its own for one purpose, so that drawing from one does not move the others.</summary>
    public static SeededChance For(long seed, params ReadOnlySpan<long> purpose)
    {
        ulong mixed = SplitMix64.Mix((ulong)seed + SplitMix64.Step);
        foreach (long part in purpose) mixed = SplitMix64.Mix(mixed ^ SplitMix64.Mix((ulong)part + SplitMix64.Step));
        return new SeededChance(mixed);
    }

    public ulong Next() => SplitMix64.Next(ref _state);

    /// <summary>A number in [0, count).</summary>
    public int Below(int count) => (int)(UInt128.CreateTruncating(Next()) * (uint)count >> 64);

    public bool Coin() => (Next() & 1) != 0;

    public bool Hits(double probability) => (Next() >> 11) * (1.0 / (1UL << 53)) < probability;
}
