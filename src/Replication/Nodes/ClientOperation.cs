using System.Security.Claims;

namespace Tidemark;

/// <summary>What a client wants to do, for <see cref="TidemarkNodeOptions.Authorize"/>.</summary>
public enum ClientOperationKind
{
    /// <summary>Read a record, or make a write depend on it.</summary>
    Get = 0,

    /// <summary>Read the records or keys of a range.</summary>
    Scan = 1,

    /// <summary>Read records by an index: those may have any key.</summary>
    ScanIndex = 2,

    /// <summary>Be told what happens to the records of a range.</summary>
    Watch = 3,

    /// <summary>Write a record.</summary>
    Put = 4,

    /// <summary>Write a record under the next key of a sequence, whose prefix is the key.</summary>
    PutNext = 5,

    /// <summary>Delete a record.</summary>
    Delete = 6,

    /// <summary>Delete the records of a range.</summary>
    DeleteRange = 7,

    /// <summary>Open a session. Neither key nor range.</summary>
    OpenSession = 8,

    /// <summary>Register a client whose writes happen once. Neither key nor range.</summary>
    RegisterClient = 9,

    /// <summary>Append messages to a topic, or be one of its producers.</summary>
    Append = 10,

    /// <summary>Read messages of a topic, or how its partitions are.</summary>
    Read = 11,

    /// <summary>Let messages of a topic go: trim it, or say that a consumer has read them.</summary>
    Trim = 12,

    /// <summary>Create a topic.</summary>
    CreateTopic = 13,

    /// <summary>Change a topic's settings, or add partitions.</summary>
    ChangeTopic = 14,

    /// <summary>Delete a topic.</summary>
    DeleteTopic = 15,

    /// <summary>Have a copy of all records, and be told what changes: of a <c>LocalStore</c> that syncs.</summary>
    Pull = 16,

    /// <summary>Have a mutation run. Where it may not, it is rejected with the code "forbidden".</summary>
    Mutate = 17,

    /// <summary>Have the logs of a namespace cut.</summary>
    Compact = 18,
}

/// <summary>One thing that a process wants to do which is no member. A transaction is several, one after another.</summary>
public sealed class ClientOperation
{
    private readonly KeyOrder _order;

    internal ClientOperation(ClaimsPrincipal? principal, ClientOperationKind kind, KeyOrder order) => (Principal, Kind, _order) = (principal, kind, order);

    /// <summary>Who wants it, as far as it is proved: see <see cref="ITransport.PrincipalOf"/>.</summary>
    public ClaimsPrincipal? Principal { get; }

    /// <summary>What it wants.</summary>
    public ClientOperationKind Kind { get; }

    /// <summary>The key, where it is about one.</summary>
    public StoreKey? Key { get; internal init; }

    /// <summary>The range, where it is about several keys.</summary>
    public KeyRange? Range { get; internal init; }

    /// <summary>The index's name, where it reads by one.</summary>
    public StoreKey? Index { get; internal init; }

    /// <summary>The topic's name, where it is about one.</summary>
    public string? Topic { get; internal init; }

    /// <summary>The mutator's name, where it is about a mutation.</summary>
    public string? Mutation { get; internal init; }

    /// <summary>Whether all keys that it may be about begin with a prefix. False where that is not sure, and where it is about no keys.</summary>
    /// <remarks>Of a range between two keys it is sure where both begin with the prefix and, in hierarchical order, are of one depth.</remarks>
    public bool IsWithin(StoreKey prefix)
    {
        if (Key is { } key) return key.Span.StartsWith(prefix.Span);
        if (Range is not { } range) return false;
        if (prefix.IsEmpty) return true;
        if (range.Kind == KeyRangeKind.Prefix) return range.Start.Span.StartsWith(prefix.Span);
        if (range.Kind == KeyRangeKind.Children) return ((ReadOnlySpan<byte>)[.. range.Start.Span, (byte)'/']).StartsWith(prefix.Span);
        if (!range.Start.Span.StartsWith(prefix.Span) || !range.End.Span.StartsWith(prefix.Span)) return false;
        return _order == KeyOrder.Natural || DepthOf(range.Start.Span).SequenceEqual(DepthOf(range.End.Span));

        ReadOnlySpan<byte> DepthOf(ReadOnlySpan<byte> key) => _order.Encode(key).AsSpan(0, sizeof(ushort));
    }
}
