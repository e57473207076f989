using System.Diagnostics.CodeAnalysis;

using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

using Tidemark;
using Tidemark.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds nodes, stores, health checks and a distributed cache to a host's services.</summary>
public static class TidemarkServiceCollectionExtensions
{
    private static readonly TimeSpan _healthPatience = TimeSpan.FromSeconds(5);

    /// <summary>Adds a node of a cluster: <see cref="KeyValueStore"/> and <see cref="TidemarkNode"/> can be injected. The host starts it before its other services and ends it after them.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options. They can be bound too, see <see cref="TidemarkBuilder.Options"/>.</param>
    /// <returns>For choosing a transport and a status store.</returns>
    /// <exception cref="InvalidOperationException">There is one already.</exception>
    public static TidemarkBuilder AddTidemark(this IServiceCollection services, Action<TidemarkHostOptions>? configure = null) => services.AddTidemark("", configure);

    /// <summary>Adds a node under a name, beside others: to be injected by <c>[FromKeyedServices(name)]</c>.</summary>
    /// <inheritdoc cref="AddTidemark(IServiceCollection, Action{TidemarkHostOptions}?)"/>
    /// <param name="services">The services.</param>
    /// <param name="name">The key, and the name of its options.</param>
    /// <param name="configure">Sets the options.</param>
    public static TidemarkBuilder AddTidemark(this IServiceCollection services, string name, Action<TidemarkHostOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(name);
        var parts = new NodeParts(name);
        services.AddHosted(name, provider => ActivatorUtilities.CreateInstance<HostedNode>(provider, parts));
        services.AddSingleton<IValidateOptions<TidemarkHostOptions>>(provider => ActivatorUtilities.CreateInstance<NodeOptionsCheck>(provider, parts));
        services.Add<TidemarkNode>(name, hosted => ((HostedNode)hosted).Node);
        var builder = new TidemarkBuilder(services, name, parts);
        if (configure is not null) builder.Options.Configure(configure);
        builder.Options.ValidateOnStart();
        return builder;
    }

    /// <summary>Adds a local store: <see cref="KeyValueStore"/> and <see cref="TidemarkStore"/> can be injected. The host opens it before its other services start and closes it after them.</summary>
    /// <param name="services">The services.</param>
    /// <param name="directory">The store's directory.</param>
    /// <param name="options">Its settings; null for the defaults. Logger and time are the host's, where they are not set.</param>
    /// <exception cref="InvalidOperationException">There is one already.</exception>
    public static IServiceCollection AddTidemarkStore(this IServiceCollection services, string directory, TidemarkStoreOptions? options = null) => services.AddTidemarkStore("", directory, options);

    /// <summary>Adds a local store under a name, beside others: to be injected by <c>[FromKeyedServices(name)]</c>.</summary>
    /// <inheritdoc cref="AddTidemarkStore(IServiceCollection, string, TidemarkStoreOptions?)"/>
    /// <param name="services">The services.</param>
    /// <param name="name">The key.</param>
    /// <param name="directory">The store's directory.</param>
    /// <param name="options">Its settings.</param>
    public static IServiceCollection AddTidemarkStore(this IServiceCollection services, string name, string directory, TidemarkStoreOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(name);
        ArgumentException.ThrowIfNullOrEmpty(directory);
        services.AddHosted(name, provider => new HostedLocalStore(provider, name, directory, options));
        services.Add<TidemarkStore>(name, hosted => ((HostedLocalStore)hosted).Store);
        return services;
    }

    /// <summary>Adds a health check of a node or a local store.</summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="store">The name of the node or store; empty for the one that has none.</param>
    /// <param name="name">The check's name. Default "tidemark", or "tidemark-" and the store's name.</param>
    /// <param name="failureStatus">What it says where a shard cannot be used from here. Default: unhealthy. A replica that is being rebuilt is degraded.</param>
    /// <param name="tags">The check's tags.</param>
    /// <param name="timeout">How long the leaders may take to answer. Default 5 s.</param>
    public static IHealthChecksBuilder AddTidemark(
        this IHealthChecksBuilder builder, string store = "", string? name = null, HealthStatus? failureStatus = null, IEnumerable<string>? tags = null, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(store);
        name ??= store.Length == 0 ? "tidemark" : $"tidemark-{store}";
        return builder.Add(new HealthCheckRegistration(name, provider => new StoreHealthCheck(provider.HostedOf(store)), failureStatus, tags, timeout ?? _healthPatience));
    }

    /// <summary>Adds an <see cref="IDistributedCache"/> that keeps its entries in a node or a local store.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options.</param>
    public static IServiceCollection AddTidemarkCache(this IServiceCollection services, Action<TidemarkCacheOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        OptionsBuilder<TidemarkCacheOptions> options = services.AddOptions<TidemarkCacheOptions>()
            .Validate(options => options.KeyPrefix.Length > 0, "The cache's KeyPrefix is empty. Give it one, so that its keys cannot meet others.")
            .ValidateOnStart();
        if (configure is not null) options.Configure(configure);
        services.Replace(ServiceDescriptor.Singleton<IDistributedCache>(provider =>
        {
            TidemarkCacheOptions found = provider.GetRequiredService<IOptions<TidemarkCacheOptions>>().Value;
            KeyValueStore store = found.Store.Length == 0 ? provider.GetRequiredService<KeyValueStore>() : provider.GetRequiredKeyedService<KeyValueStore>(found.Store);
            return new StoreCache(store, found, provider.GetService<TimeProvider>() ?? TimeProvider.System);
        }));
        return services;
    }

    /// <summary>Adds a service that reads a topic as a member of a group, and has a handler do each message.</summary>
    /// <typeparam name="THandler">The handler: made anew for each message, in a scope of its own, unless it was added otherwise.</typeparam>
    /// <param name="services">The services.</param>
    /// <param name="topic">The topic's name. It is there when the host starts, or is created if <see cref="TidemarkConsumerOptions.Create"/> says how.</param>
    /// <param name="group">The group's name.</param>
    /// <param name="configure">Sets the options.</param>
    /// <remarks>Several calls, also of one group, add several members. docs/hosting.md.</remarks>
    public static IServiceCollection AddTidemarkConsumer<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IServiceCollection services, string topic, string group, Action<TidemarkConsumerOptions>? configure = null)
        where THandler : class, IMessageHandler
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(topic);
        ArgumentException.ThrowIfNullOrEmpty(group);
        var options = new TidemarkConsumerOptions();
        configure?.Invoke(options);
        services.TryAddScoped<THandler>();
        return services.AddSingleton<IHostedService>(provider => new HostedConsumer<THandler>(provider, topic, group, options));
    }

    /// <summary>The store itself, and what is injected of it.</summary>
    private static void AddHosted(this IServiceCollection services, string name, Func<IServiceProvider, HostedStore> create)
    {
        if (services.Any(service => service.IsKeyedService && service.ServiceType == typeof(HostedStore) && (string)service.ServiceKey! == name))
            throw new InvalidOperationException($"{NodeParts.TitleOf(name)} has been added already. Give each node and store a name of its own.");
        services.AddKeyedSingleton(name, (provider, _) => create(provider));
        services.AddSingleton<IHostedService>(provider => provider.HostedOf(name));
        services.Add<KeyValueStore>(name, hosted => new HostedKeyValueStore(hosted));
        services.Add(name, hosted => hosted.Topics);
    }

    private static void Add<T>(this IServiceCollection services, string name, Func<HostedStore, T> get)
        where T : class
    {
        if (name.Length == 0) services.AddSingleton(provider => get(provider.HostedOf(name)));
        else services.AddKeyedSingleton(name, (provider, _) => get(provider.HostedOf(name)));
    }

    private static HostedStore HostedOf(this IServiceProvider provider, string name) => provider.GetKeyedService<HostedStore>(name)
        ?? throw new InvalidOperationException($"There is no {NodeParts.TitleOf(name)} among the services. Add it by AddTidemark or AddTidemarkStore.");
}
