using System.Runtime.CompilerServices;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;

namespace Tidemark.Replication.KeyValue;

/// <summary>Tells the last key that a sequence of one shard has come to.</summary>
internal static class SequenceWatch
{
    internal static async IAsyncEnumerable<StoreKey> RunAsync(LocalShard shard, StoreKey prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        StoreKey last = default;
        while (true)
        {
            Task changed = shard.Changed;
            if (shard.IsClosed) yield break;
            StoreKey? now = null;
            using (StateReader reader = shard.Open())
            {
                if (reader.TryGet(RowKeys.Sequence(prefix.Span), out ReadOnlyMemory<byte> row)) now = SequenceParts.ToKey(prefix.Span, SequenceParts.Read(row.Span));
            }

            if (now is { } key && key != last) yield return last = key;
            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
