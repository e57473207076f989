namespace Tidemark.Replication.Nodes;

/// <summary>How much may be under way for callers.</summary>
internal sealed record CallerLimits
{
    /// <summary>For members: as much as their own callers and programs may have under way, within bounds.</summary>
    internal static CallerLimits OfMembers { get; } = new() { Requests = 8_192, Bytes = 256 * 1024 * 1024, AllRequests = 32_768 };

    internal int Requests { get; init; } = 2_048;

    internal long Bytes { get; init; } = 32 * 1024 * 1024;

    internal int AllRequests { get; init; } = 8_192;

    internal long AllBytes { get; init; } = 256 * 1024 * 1024;
}

/// <summary>Counts what is under way for each caller, and for all.</summary>
/// <remarks>Safe for concurrent calls. One message may always be under way, however long it is: the transport bounds it.</remarks>
internal sealed class CallerAccounts(CallerLimits limits)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, (int Requests, long Bytes)> _callers = [];
    private (int Requests, long Bytes) _all;

    /// <summary>Notes that a request begins.</summary>
    /// <returns>False where too much is under way: then it may not.</returns>
    internal bool TryBegin(int caller, int bytes)
    {
        lock (_gate)
        {
            (int Requests, long Bytes) own = _callers.GetValueOrDefault(caller);
            if (!Fits(own, bytes, limits.Requests, limits.Bytes) || !Fits(_all, bytes, limits.AllRequests, limits.AllBytes)) return false;
            _callers[caller] = (own.Requests + 1, own.Bytes + bytes);
            _all = (_all.Requests + 1, _all.Bytes + bytes);
            return true;
        }
    }

    internal void End(int caller, int bytes)
    {
        lock (_gate)
        {
            (int Requests, long Bytes) own = _callers[caller];
            if (own.Requests == 1) _callers.Remove(caller);
            else _callers[caller] = (own.Requests - 1, own.Bytes - bytes);
            _all = (_all.Requests - 1, _all.Bytes - bytes);
        }
    }

    private static bool Fits((int Requests, long Bytes) account, int bytes, int mostRequests, long mostBytes) =>
        account.Requests == 0 || (account.Requests < mostRequests && account.Bytes + bytes <= mostBytes);
}
