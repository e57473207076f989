using System.Globalization;

namespace Tidemark.Tests;

/// <summary>How much longer than usual the tests that draw cases run: build/soak.sh sets TIDEMARK_SOAK.</summary>
internal static class Soak
{
    /// <summary>1 in a plain run.</summary>
    public static int Factor { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("TIDEMARK_SOAK"), NumberStyles.None, CultureInfo.InvariantCulture, out int factor) ? Math.Max(1, factor) : 1;

    /// <summary>How many cases to draw where a plain run draws <paramref name="count"/>.</summary>
    public static int Times(int count) => checked(count * Factor);
}
