namespace Tidemark;

/// <summary>Which write of which client on which shard.</summary>
/// <param name="Client">The client's id.</param>
/// <param name="Shard">The shard.</param>
/// <param name="Sequence">The write's number among the client's on that shard, from 1.</param>
public readonly record struct WriteId(Guid Client, long Shard, long Sequence);

/// <summary>What a client's write came to, as far as the store can say.</summary>
/// <param name="Status">Done or refused, as its answer said; or why there is no answer: <see cref="StoreStatus.NotFound"/> if the write has not happened
/// (yet), <see cref="StoreStatus.OutcomeForgotten"/>, <see cref="StoreStatus.ClientNotFound"/>.</param>
/// <param name="Result">What the write's first operation came to, where there is an answer.</param>
public readonly record struct WriteOutcome(StoreStatus Status, WriteResult? Result);
