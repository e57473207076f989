namespace Tidemark.Replication.Topics;

/// <summary>What a producer appends at once.</summary>
/// <param name="Messages">The messages, which have ids.</param>
/// <param name="ExpectedOffset">The offset that the first must get; null for any.</param>
internal sealed record ProducerBatch(IReadOnlyList<TopicMessage> Messages, long? ExpectedOffset);

/// <summary>The appends of a producer to one partition: numbered, and one after another.</summary>
/// <remarks>A number is used up once its batch has an answer. A batch of which nobody knows whether it was appended is kept, and sent again with its number before any other.</remarks>
internal sealed class ProducerLine(Guid producer, TopicPartition partition) : IAsyncDisposable
{
    private const int MostAttempts = 3;

    private readonly SemaphoreSlim _turn = new(1);
    private long _next = 1;
    private bool _isKnown;   // The partition knows the producer.
    private ProducerBatch? _unanswered;   // It has the next number.

    internal async ValueTask<AppendResult> AppendAsync(ProducerBatch batch, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        // Whoever stops waiting does not stop it: the number must come to its answer.
        return await AppendInTurnAsync(batch).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Has the partition forget the producer.</summary>
    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_isKnown) await partition.ForgetAsync(producer, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TidemarkException or ObjectDisposedException)
        {
            // It is forgotten there when it has been idle for long enough.
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<AppendResult> AppendInTurnAsync(ProducerBatch batch)
    {
        try
        {
            await SettleAsync().ConfigureAwait(false);
            for (int attempt = 1; ; attempt++)
            {
                try
                {
                    return await SendAsync(batch).ConfigureAwait(false);
                }
                catch (OutcomeUnknownException) when (attempt < MostAttempts)
                {
                    // The same number again: where it did happen, its answer is kept.
                }
                catch (Exception e) when (attempt > 1 && e is not OutcomeUnknownException)
                {
                    throw new OutcomeUnknownException("The messages may have been appended when it was tried first; when it was tried again, that could not be found out.", e);
                }
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Sees to it that the partition knows the producer, and that all it was sent has an answer.</summary>
    private async ValueTask SettleAsync()
    {
        try
        {
            if (!_isKnown) await partition.RegisterAsync(producer, CancellationToken.None).ConfigureAwait(false);
            _isKnown = true;
            if (_unanswered is { } earlier) await SendAsync(earlier).ConfigureAwait(false);
        }
        catch (OutcomeUnknownException e)
        {
            throw new WriteRefusedException(StoreStatus.SequenceGap, $"What producer {producer} sent to partition {partition.Number} before has no answer yet ({e.Message}). This append was not sent: try again.");
        }
    }

    private async ValueTask<AppendResult> SendAsync(ProducerBatch batch)
    {
        try
        {
            AppendResult result = await partition.AppendAsync(batch.Messages, new ProducerTicket(producer, _next), batch.ExpectedOffset, CancellationToken.None).ConfigureAwait(false);
            _unanswered = null;
            _next++;
            return result;
        }
        catch (OutcomeUnknownException)
        {
            _unanswered = batch;
            throw;
        }
    }
}
