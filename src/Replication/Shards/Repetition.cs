namespace Tidemark.Replication.Shards;

/// <summary>Does again what comes to the same when it is done twice.</summary>
internal static class Repetition
{
    private const int MostAttempts = 5;

    /// <summary>Does it, and again while nobody knows whether it was done, five times at most.</summary>
    /// <param name="isReplicated">Whether another can know; where none can, it is done once.</param>
    /// <param name="act">What.</param>
    internal static async ValueTask<T> OnUnknownAsync<T>(bool isReplicated, Func<ValueTask<T>> act)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await act().ConfigureAwait(false);
            }
            catch (OutcomeUnknownException) when (isReplicated && attempt < MostAttempts)
            {
                // Another leads now, or nobody answered: the next says.
            }
        }
    }
}
