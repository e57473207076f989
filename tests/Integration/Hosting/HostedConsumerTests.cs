using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Tidemark.Integration.Hosting;

public sealed class HostedConsumerTests
{
    [Fact]
    public async Task A_hosts_consumer_has_each_message_handled_and_puts_aside_what_cannot_be()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        Topic orders = await store.Topics.CreateAsync("orders");
        var services = new ServiceCollection();
        services.AddSingleton<KeyValueStore>(store).AddSingleton(store.Topics).AddSingleton<Seen>();
        services.AddTidemarkConsumer<Picky>("orders", "billing", options =>
        {
            options.Attempts = new HandlerOptions { MaxAttempts = 2, FirstDelay = TimeSpan.Zero };
            options.DeadLetterTopic = "letters";
        });
        await using ServiceProvider provider = services.BuildServiceProvider();
        IHostedService service = provider.GetRequiredService<IHostedService>();
        await service.StartAsync(default);
        for (byte i = 0; i < 5; i++) await orders.AppendAsync(new TopicMessage(new byte[] { i }));
        await provider.GetRequiredService<Seen>().All.Task.WaitAsync(TimeSpan.FromSeconds(60));
        await service.StopAsync(default);
        await using var after = new TopicConsumer(store, orders, "billing");
        Assert.Equal(5, await after.GetOffsetAsync(0));
        StoredMessage letter = Assert.Single((await store.Topics.Get("letters").ReadAsync(0, TopicPosition.First)).Messages);
        Assert.Equal(3, letter.Payload.Span[0]);
    }

    private sealed class Seen
    {
        internal TaskCompletionSource All { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Picky(Seen seen) : IMessageHandler
    {
        public ValueTask HandleAsync(ConsumedMessage message, CancellationToken cancellationToken)
        {
            if (message.Payload.Span[0] == 3) throw new InvalidDataException();
            if (message.Payload.Span[0] == 4) seen.All.SetResult();
            return default;
        }
    }
}
