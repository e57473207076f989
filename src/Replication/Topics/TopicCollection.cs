namespace Tidemark;

/// <summary>The topics of a store: <c>Topic orders = await store.Topics.GetOrCreateAsync("orders");</c></summary>
/// <remarks>Safe for concurrent calls.</remarks>
public abstract class TopicCollection
{
    /// <summary>The names of all topics, as they are known here, in ordinal order.</summary>
    public abstract IReadOnlyList<string> Names { get; }

    /// <summary>A topic that exists, or null.</summary>
    public abstract Topic? Find(string name);

    /// <summary>A topic that exists.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public Topic Get(string name) => Find(name) ?? throw new ArgumentException($"There is no topic '{name}'. Create it first.", nameof(name));

    /// <summary>Creates a topic.</summary>
    /// <param name="name">1 to 128 bytes of UTF-8, without control characters.</param>
    /// <param name="options">Its settings; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the wait; it may still be created.</param>
    /// <exception cref="ArgumentException">There is one of that name, or it is no name.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A setting is outside its limits.</exception>
    public abstract ValueTask<Topic> CreateAsync(string name, TopicOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>The topic of that name: as it is where there is one, and else created.</summary>
    /// <inheritdoc cref="CreateAsync"/>
    public abstract ValueTask<Topic> GetOrCreateAsync(string name, TopicOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Changes a topic's settings. Partitions are only added.</summary>
    /// <param name="name">The topic.</param>
    /// <param name="options">All its settings from now on.</param>
    /// <param name="cancellationToken">Ends the wait; they may still be changed.</param>
    /// <exception cref="ArgumentException">There is none of that name, or it has more partitions already.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A setting is outside its limits.</exception>
    public abstract ValueTask<Topic> ChangeAsync(string name, TopicOptions options, CancellationToken cancellationToken = default);

    /// <summary>Deletes a topic with its messages. Readings and appends under way end with an <see cref="ObjectDisposedException"/>.</summary>
    /// <returns>False where there was none of that name.</returns>
    public abstract ValueTask<bool> DeleteAsync(string name, CancellationToken cancellationToken = default);
}
