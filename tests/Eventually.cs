using System.Diagnostics;

using Xunit;

namespace Tidemark.Tests;

/// <summary>Waits for what other threads bring about.</summary>
internal static class Eventually
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    /// <summary>Asks again and again until something holds, and fails after a minute.</summary>
    /// <param name="holds">What is waited for.</param>
    /// <param name="about">What the failure tells.</param>
    internal static Task UntilAsync(Func<bool> holds, Func<string>? about = null) => UntilAsync(() => Task.FromResult(holds()), about);

    /// <inheritdoc cref="UntilAsync(Func{bool}, Func{string}?)"/>
    internal static async Task UntilAsync(Func<Task<bool>> holds, Func<string>? about = null)
    {
        for (long begin = Stopwatch.GetTimestamp(); !await holds(); await Task.Delay(5))
        {
            if (Stopwatch.GetElapsedTime(begin) > _patience) Assert.Fail($"It does not come to hold: {about?.Invoke()}");
        }
    }
}
