namespace Tidemark;

/// <summary>Which record a get is about, in the order of the namespace or of an index.</summary>
public enum KeyComparison
{
    /// <summary>The one with that key.</summary>
    Equal = 0,

    /// <summary>The last at or before the key.</summary>
    Floor = 1,

    /// <summary>The first at or after the key.</summary>
    Ceiling = 2,

    /// <summary>The last before the key.</summary>
    Lower = 3,

    /// <summary>The first after the key.</summary>
    Higher = 4,
}
