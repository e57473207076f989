using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Tidemark.Hosting;

/// <summary>A member of a group as a service of a host, with a handler made for each message.</summary>
internal sealed class HostedConsumer<THandler>(IServiceProvider services, string topic, string group, TidemarkConsumerOptions options) : BackgroundService
    where THandler : class, IMessageHandler
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        KeyValueStore store = Find<KeyValueStore>();
        TopicCollection topics = Find<TopicCollection>();
        Topic source = options.Create is { } settings ? await topics.GetOrCreateAsync(topic, settings, stoppingToken).ConfigureAwait(false) : topics.Get(topic);
        Topic? letters = options.DeadLetterTopic is { } name ? await topics.GetOrCreateAsync(name, options.Create, stoppingToken).ConfigureAwait(false) : null;
        GroupOptions member = options.Member with
        {
            LoggerFactory = options.Member.LoggerFactory ?? services.GetService<ILoggerFactory>(),
            TimeProvider = options.Member.TimeProvider == TimeProvider.System ? services.GetService<TimeProvider>() ?? TimeProvider.System : options.Member.TimeProvider,
        };
        GroupMember joined = await ConsumerGroup.JoinAsync(store, source, group, member, stoppingToken).ConfigureAwait(false);
        await using (joined.ConfigureAwait(false)) await joined.HandleAsync(HandleAsync, options.Attempts with { DeadLetters = letters }, stoppingToken).ConfigureAwait(false);
    }

    private async ValueTask HandleAsync(ConsumedMessage message, CancellationToken cancellationToken)
    {
        AsyncServiceScope scope = services.CreateAsyncScope();
        await using (scope.ConfigureAwait(false)) await scope.ServiceProvider.GetRequiredService<THandler>().HandleAsync(message, cancellationToken).ConfigureAwait(false);
    }

    private T Find<T>()
        where T : notnull => options.Store.Length == 0 ? services.GetRequiredService<T>() : services.GetRequiredKeyedService<T>(options.Store);
}
