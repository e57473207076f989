#if PLANTED
using Tidemark.Core.Diagnostics;

namespace Tidemark.Tests.PlantedBugs;

/// <summary>A mistake that is in force until this is disposed.</summary>
internal sealed class Mistake : IDisposable
{
    internal Mistake(string name) => Planted.Bug = Enum.Parse<PlantedBug>(name);

    public void Dispose() => Planted.Bug = PlantedBug.None;
}

/// <summary>Which mistake is in force holds for the whole process: these tests take turns.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class PlantedCollection
{
    public const string Name = "Planted";
}
#endif
