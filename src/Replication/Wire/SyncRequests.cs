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

    internal ReadOnlySpan<byte> PullBytes()
    {
        var output = new ArrayBufferWriter<byte>();
        SyncCodec.Write(output, Pull);
        return output.WrittenSpan;
    }
}

/// <summary>Have mutations decided on, in order. Once more does no harm.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Push">The mutations.</param>
internal sealed record PushRequest(long Shard, SyncPush Push) : StoreRequest<PushedBody>(StoreRequestKind.Push, Shard)
{
    /// <summary>Why whoever asks may not call a mutation; null where it may. It does not travel.</summary>
    internal Func<TimelineEntry, string?>? Forbids { get; init; }

    protected override PushedBody Read(ReadOnlyMemory<byte> bytes) => new(SyncCodec.ReadPushed(bytes.Span));

    internal ReadOnlySpan<byte> PushBytes()
    {
        var output = new ArrayBufferWriter<byte>();
        SyncCodec.Write(output, Push);
        return output.WrittenSpan;
    }
}

/// <summary>The answer to a push.</summary>
internal sealed record PushedBody(SyncPushed Pushed) : StoreBody
{
    internal ReadOnlyMemory<byte> Write()
    {
        var output = new ArrayBufferWriter<byte>();
        SyncCodec.Write(output, Pushed);
        return output.WrittenMemory;
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
