namespace Tidemark;

/// <summary>The settings of a node that a host runs; bound, named and checked like all options of a host. Read once, when the host starts.</summary>
/// <remarks>What is not here is set by <see cref="TidemarkBuilder.ConfigureNode"/>.</remarks>
public sealed class TidemarkHostOptions
{
    /// <summary>The node's number: 0 or more, unique in the cluster, and always the same for a directory.</summary>
    public int? Node { get; set; }

    /// <summary>Where it keeps its replicas. Created private to its owner.</summary>
    public string? Directory { get; set; }

    /// <summary>The nodes of a cluster that is started for the first time, this one among them. Default: those of <see cref="TidemarkTcpOptions.Peers"/>.</summary>
    public IList<int> Members { get; } = [];

    /// <summary>The shards of a cluster that is started for the first time. It never changes. Default 1.</summary>
    public int ShardCount { get; set; } = 1;

    /// <summary>See <see cref="TidemarkNodeOptions.Heartbeat"/>. Default 50 ms.</summary>
    public TimeSpan Heartbeat { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>See <see cref="TidemarkNodeOptions.Suspicion"/>. Default 500 ms.</summary>
    public TimeSpan Suspicion { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>See <see cref="TidemarkNodeOptions.OperationTimeout"/>. Default 10 s.</summary>
    public TimeSpan OperationTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>See <see cref="TidemarkNodeOptions.AnswerPatience"/>. Default 2 s.</summary>
    public TimeSpan AnswerPatience { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a start is tried again while the status store cannot be reached, or a predecessor still holds the directory or the port. Default 30 s.</summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(30);
}

/// <summary>How a node that a host runs reaches the others over TCP.</summary>
public sealed class TidemarkTcpOptions
{
    /// <summary>Where it listens: an IP address and a port, as "10.0.0.7:7001" or "[::]:7001".</summary>
    public string? Listen { get; set; }

    /// <summary>Where each node is reached, as "host:port". A name is resolved again at each attempt to connect.</summary>
    public IDictionary<int, string> Peers { get; } = new Dictionary<int, string>();

    /// <summary>Certificates and what is trusted. Null: everything goes in plain.</summary>
    public TransportTls? Tls { get; set; }

    /// <summary>Allows it to listen beyond the own machine without <see cref="Tls"/>. Default: no.</summary>
    public bool AllowPlaintext { get; set; }

    /// <summary>What else is to be set. Given the settings made of the above. Default: nothing.</summary>
    public Func<TcpTransportOptions, TcpTransportOptions>? Configure { get; set; }
}
