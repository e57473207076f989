namespace Tidemark;

/// <summary>The generation that a shard's log goes on with: what <see cref="KeyValueStore.CompactAsync"/> came to.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Generation">The generation's number; 0 where nothing was ever written and so nothing was cut.</param>
/// <param name="LogId">Its id: who cut the same history behind the same entry has the same one.</param>
/// <param name="Offset">The last entry before it; -1 for none.</param>
/// <param name="Hash">The hash of the state behind that entry, on which a majority of the replicas has agreed.</param>
public sealed record CutResult(long Shard, long Generation, Guid LogId, long Offset, StateHash Hash);
