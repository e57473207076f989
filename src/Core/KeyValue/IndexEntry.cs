namespace Tidemark;

/// <summary>An entry under which a record can be found besides its key.</summary>
/// <param name="Index">The index's name: 1 byte or more, any bytes. Indexes need not be declared.</param>
/// <param name="Key">The key in that index: any bytes. Not unique: many records may have the same.</param>
public readonly record struct IndexEntry(StoreKey Index, StoreKey Key);
