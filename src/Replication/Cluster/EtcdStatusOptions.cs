namespace Tidemark;

/// <summary>How an <see cref="EtcdClusterStatusStore"/> reaches etcd.</summary>
public sealed record EtcdStatusOptions
{
    /// <summary>The client addresses of etcd's members, for example <c>https://etcd-1:2379</c>. At least one.</summary>
    public required IReadOnlyList<Uri> Endpoints { get; init; }

    /// <summary>The cluster's name among those that share one etcd. Default "cluster".</summary>
    public string Name { get; init; } = "cluster";

    /// <summary>The key of the document. Null: "tidemark/" and <see cref="Name"/>.</summary>
    public string? Key { get; init; }

    /// <summary>Who to be, where etcd asks for users. Null: nobody.</summary>
    public string? User { get; init; }

    /// <summary>The user's password.</summary>
    public string? Password { get; init; }

    /// <summary>How long one endpoint may take to answer. Default 2 s.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>After how long without a word a watch asks whether it missed something, or the server has died. Default 10 s.</summary>
    public TimeSpan WatchIdle { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The longest document that may be written, in bytes. Default 1 MiB; etcd's own limit for a request is 1.5 MiB unless it was raised there.</summary>
    public int MaxDocumentBytes { get; init; } = 1 << 20;

    /// <summary>What carries the requests, for example with a client certificate. It is not disposed with the store, and must not repeat a request by itself. Null: one of the store's own.</summary>
    public HttpMessageHandler? HttpHandler { get; init; }

    /// <summary>What timeouts are measured by. Default: the system's clock.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where it points to, without the password.</summary>
    public override string ToString() => $"{nameof(EtcdStatusOptions)} {{ Endpoints = {string.Join(", ", Endpoints)}, Key = {DocumentKey}, User = {User} }}";

    internal string DocumentKey => Key ?? $"tidemark/{Name}";

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Endpoints);
        if (Endpoints.Count == 0) throw new ArgumentException("At least one endpoint is needed.", nameof(Endpoints));
        foreach (Uri endpoint in Endpoints)
        {
            if (endpoint is not { IsAbsoluteUri: true, Scheme: "http" or "https" })
                throw new ArgumentException($"'{endpoint}' is not an address like https://etcd-1:2379.", nameof(Endpoints));
        }

        ArgumentException.ThrowIfNullOrEmpty(Name);
        if (Key is not null) ArgumentException.ThrowIfNullOrEmpty(Key);
        if (User is not null && Password is null) throw new ArgumentException($"The user '{User}' needs a password.", nameof(Password));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(RequestTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(WatchIdle, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxDocumentBytes, 1);
        ArgumentNullException.ThrowIfNull(TimeProvider);
    }
}
