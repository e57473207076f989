namespace Tidemark;

/// <summary>How the distributed cache keeps its entries.</summary>
public sealed class TidemarkCacheOptions
{
    /// <summary>The name of the node or store that keeps them; empty for the one that has none.</summary>
    public string Store { get; set; } = "";

    /// <summary>What stands before each of its keys in the store. Default "cache/".</summary>
    public string KeyPrefix { get; set; } = "cache/";

    /// <summary>How fresh what it gives must be. Default: as fresh as the last write that was acknowledged anywhere. <see cref="ReadLevel.Local"/> asks no other node.</summary>
    public ReadLevel ReadLevel { get; set; }
}
