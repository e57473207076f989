namespace Tidemark;

/// <summary>What <see cref="Interlocked"/> lacks for words that only rise.</summary>
internal static class InterlockedWord
{
    /// <summary>Makes a word at least as high as a value, whatever other threads do.</summary>
    public static void Raise(ref ulong word, ulong value)
    {
        ulong seen = Volatile.Read(ref word);
        while (seen < value)
        {
            ulong before = Interlocked.CompareExchange(ref word, value, seen);
            if (before == seen) return;
            seen = before;
        }
    }
}
