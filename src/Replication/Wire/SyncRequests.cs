using System.Buffers;

using Tidemark.Core.Rebase;

namespace Tidemark.Replication.Wire;

/// <summary>What changed behind a position: docs/format/sync.md.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Pull">What whoever asks has.</param>
/// <param name="Waits">Whether the answer may wait until something has changed.</param>
internal sealed record PullRequest(long Shard, SyncPull Pull, bool Waits) : StoreRequest<SyncBody>(StoreRequestKind.Pull, Shard)
{
    protected override SyncBody Read(ReadOnlyMemory<byte> bytes) => new(SyncCodec.ReadAnswer(bytes.Span));

    internal byte[] PullBytes
    {
        get
        {
            var output = new ArrayBufferWriter<byte>();
            SyncCodec.Write(output, Pull);
            return output.WrittenSpan.ToArray();
        }
    }
}

/// <summary>The answer to a pull.</summary>
internal sealed record SyncBody(SyncAnswer Answer) : StoreBody
{
    internal ReadOnlyMemory<byte> Write()
    {
        var output = new ArrayBufferWriter<byte>();
        SyncCodec.Write(output, Answer);
        return output.WrittenMemory;
    }
}
