using Microsoft.Extensions.Logging;

namespace Tidemark.Replication.Consumers;

/// <summary>Tries again what the store of a consumer's offsets cannot do for now, after pauses that grow: a shard may be without a leader, or take too much already.</summary>
/// <param name="rows">The consumer's.</param>
/// <param name="time">For the pauses.</param>
/// <param name="logger">Told of each attempt that failed.</param>
internal sealed class StoreRetry(ConsumerRows rows, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan _shortest = TimeSpan.FromMilliseconds(100), _longest = TimeSpan.FromSeconds(5);

    /// <summary>Whether an error passes by itself. One whose outcome is unknown is tried again too: to store the same once more does no harm.</summary>
    internal static bool MayPass(TidemarkException error) => error.IsTransient || error is OutcomeUnknownException;

    /// <summary>Does something until it is done.</summary>
    /// <param name="work">What.</param>
    /// <param name="cancellationToken">Ends it between two attempts, and what the attempt makes of it.</param>
    internal async ValueTask RunAsync(Func<CancellationToken, ValueTask> work, CancellationToken cancellationToken)
    {
        for (TimeSpan pause = _shortest; ; pause = pause * 2 < _longest ? pause * 2 : _longest)
        {
            try
            {
                await work(cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (TidemarkException e) when (MayPass(e))
            {
                ConsumerMessages.StoreUnreached(logger, rows.Topic.Name, rows.Consumer, e);
            }

            await time.PauseAsync(pause, cancellationToken).ConfigureAwait(false);
        }
    }
}
