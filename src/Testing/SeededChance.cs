namespace Tidemark.Testing;

/// <summary>Chance from a seed: the same on every machine and every version of .NET, so a seed in a bug report stays good.</summary>
/// <remarks>SplitMix64 (Steele, Lea, Flood 2014): one addition and a mix per number. Not thread-safe.</remarks>
internal sealed class SeededChance(ulong seed)
{
    private const ulong Step = 0x9E3779B97F4A7C15;

    private ulong _state = seed;

    /// <summary>A source of its own for one purpose, so that drawing from one does not move the others.</summary>
    public static SeededChance For(long seed, params ReadOnlySpan<long> purpose)
    {
        ulong mixed = Mix((ulong)seed + Step);
        foreach (long part in purpose) mixed = Mix(mixed ^ Mix((ulong)part + Step));
        return new SeededChance(mixed);
    }

    public ulong Next() => Mix(_state += Step);

    /// <summary>A number in [0, count).</summary>
    public int Below(int count) => (int)(UInt128.CreateTruncating(Next()) * (uint)count >> 64);

    public bool Coin() => (Next() & 1) != 0;

    public bool Hits(double probability) => (Next() >> 11) * (1.0 / (1UL << 53)) < probability;

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
