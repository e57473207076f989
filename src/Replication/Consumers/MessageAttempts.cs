using System.Globalization;
using System.Text;

using Microsoft.Extensions.Logging;

namespace Tidemark.Replication.Consumers;

/// <summary>Has a handler do a message: again after a while where it fails, and puts the message aside where it fails too often.</summary>
internal sealed class MessageAttempts(
    Func<ConsumedMessage, CancellationToken, ValueTask> handler, HandlerOptions options, string consumer, TimeProvider time, ILogger logger)
{
    private const int LongestError = 1_000;
    private const int OwnHeaders = 6;

    /// <returns>False where the partition went to another member before the message was done.</returns>
    internal async ValueTask<bool> TryHandleAsync(ConsumedMessage message, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, message.Lost);
        Exception? last = null;
        try
        {
            for (int failures = 0; failures < options.MaxAttempts; failures++)
            {
                if (last is not null) await WaitAsync(message, options.DelayAfter(failures), ended.Token).ConfigureAwait(false);
                last = await AttemptAsync(message, failures + 1, ended.Token).ConfigureAwait(false);
                if (last is null) return true;
            }

            if (options.DeadLetters is null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(last!);
            await PutAsideAsync(message, options.DeadLetters, last!, ended.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && (message.Lost.IsCancellationRequested || message.Leaving.IsCancellationRequested))
        {
            return false;
        }
    }

    private async ValueTask<Exception?> AttemptAsync(ConsumedMessage message, int attempt, CancellationToken ended)
    {
        try
        {
            await handler(message, ended).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is not OperationCanceledException || !ended.IsCancellationRequested)
        {
            ConsumerMessages.AttemptFailed(logger, message.Topic, consumer, message.Partition, message.Offset, attempt, e);
            return e;
        }
    }

    /// <summary>Waits, but holds up no partition that is to go: it goes with the message not done.</summary>
    private async ValueTask WaitAsync(ConsumedMessage message, TimeSpan delay, CancellationToken ended)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ended, message.Leaving);
        await time.PauseAsync(delay, either.Token).ConfigureAwait(false);
    }

    private async ValueTask PutAsideAsync(ConsumedMessage message, Topic letters, Exception error, CancellationToken ended)
    {
        TopicMessage letter = LetterOf(message, error);
        for (int failures = 1; ; failures++)
        {
            try
            {
                await letters.AppendAsync(letter, null, ended).ConfigureAwait(false);
                break;
            }
            catch (TidemarkException e) when (e.IsTransient)
            {
                ConsumerMessages.AttemptFailed(logger, message.Topic, consumer, message.Partition, message.Offset, options.MaxAttempts, e);
                await WaitAsync(message, options.DelayAfter(failures), ended).ConfigureAwait(false);
            }
        }

        ConsumerMetrics.PutAside();
        ConsumerMessages.PutAside(logger, message.Topic, consumer, message.Partition, message.Offset, letters.Name, error);
    }

    /// <summary>The message with its id and key, so that it can be put back as it was, and headers that say where it is from and why.</summary>
    private TopicMessage LetterOf(ConsumedMessage message, Exception error)
    {
        string said = error.Message.Length > LongestError ? error.Message[..LongestError] : error.Message;
        return new TopicMessage(message.Payload)
        {
            Id = message.Message.Id,
            Key = message.Key,
            ProducedAt = message.Message.ProducedAt,
            Headers =
            [
                .. message.Message.Headers.Take(TopicMessage.MostHeaders - OwnHeaders),
                Header(DeadLetterHeaders.Topic, message.Topic),
                Header(DeadLetterHeaders.Partition, message.Partition.ToString(CultureInfo.InvariantCulture)),
                Header(DeadLetterHeaders.Offset, message.Offset.ToString(CultureInfo.InvariantCulture)),
                Header(DeadLetterHeaders.Consumer, consumer),
                Header(DeadLetterHeaders.Attempts, options.MaxAttempts.ToString(CultureInfo.InvariantCulture)),
                Header(DeadLetterHeaders.Error, $"{error.GetType().FullName}: {said}"),
            ],
        };

        static MessageHeader Header(string name, string value) => new(name, Encoding.UTF8.GetBytes(value));
    }
}
