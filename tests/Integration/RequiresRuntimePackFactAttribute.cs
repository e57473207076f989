namespace Tidemark.Integration;

/// <summary>
/// A test that publishes a program with the runtime inside, which takes a package of some 30 MB from a package source. It is skipped by
/// name unless TIDEMARK_REQUIRE_ALL=1 is set.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RequiresRuntimePackFactAttribute : FactAttribute
{
    /// <summary>Creates the attribute.</summary>
    public RequiresRuntimePackFactAttribute()
    {
        bool required = Environment.GetEnvironmentVariable("TIDEMARK_REQUIRE_ALL") == "1";
        if (!required) Skip = "Downloads the runtime to publish with; set TIDEMARK_REQUIRE_ALL=1, as build/test.sh does, to run it.";
    }
}
