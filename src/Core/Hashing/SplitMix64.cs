namespace Tidemark.Core.Hashing;

/// <summary>Numbers from a seed, the same on every machine and every version of .NET: one addition and a mix for each (Steele, Lea, Flood 2014).</summary>
internal static class SplitMix64
{
    internal const ulong Step = 0x9E3779B97F4A7C15;

    /// <summary>The next number, and the state behind it.</summary>
    internal static ulong Next(ref ulong state) => Mix(state += Step);

    internal static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
