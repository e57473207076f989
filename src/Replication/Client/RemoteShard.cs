using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Client;

/// <summary>A shard that other processes keep.</summary>
internal sealed class RemoteShard(long id, MemberCalls calls, ProposalPool proposals) : StoreShard(proposals)
{
    internal override long Id => id;

    internal override bool IsReplicated => true;

    protected override Type Owner => typeof(TidemarkClient);

    internal override Task<bool> KeepAliveAsync(Guid session) => calls.KeepAliveAsync(new KeepAliveRequest(id, session));

    protected override void Send(Proposal proposal) => _ = calls.SubmitAsync(id, proposal);
}
