namespace Tidemark.Core.Replication;

/// <summary>The versions of the protocol that a program speaks, from the lowest to the highest: what nodes say to each other, and what they put into logs and status.</summary>
/// <remarks>A release speaks its own version and the one before, so that the nodes of a cluster can be replaced one after the other.</remarks>
internal readonly record struct ProtocolVersions(int Lowest, int Highest)
{
    /// <summary>Those of this program. There was none before it.</summary>
    internal static ProtocolVersions Own { get; } = new(1, 1);

    internal bool Contains(int version) => version >= Lowest && version <= Highest;

    /// <summary>The highest version that both speak; null where there is none.</summary>
    internal int? InCommonWith(ProtocolVersions other)
    {
        int highest = Math.Min(Highest, other.Highest);
        return Contains(highest) && other.Contains(highest) ? highest : null;
    }

    public override string ToString() => Lowest == Highest ? $"{Lowest}" : $"{Lowest} to {Highest}";
}
