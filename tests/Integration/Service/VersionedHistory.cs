namespace Tidemark.Integration.Service;

/// <summary>What an operation on a key did or saw.</summary>
internal enum KeyAct
{
    /// <summary>A put that was done.</summary>
    Put,

    /// <summary>A delete of a version that was done.</summary>
    Delete,

    /// <summary>A read, or a refusal that told the version it found; 0 for none.</summary>
    See,

    /// <summary>A put of which nobody knows whether it was done.</summary>
    PutUnknown,

    /// <summary>A delete of a version of which nobody knows whether it was done.</summary>
    DeleteUnknown,

    /// <summary>A put that surely was not done.</summary>
    PutRefused,
}

/// <summary>An operation on a key, from when it was begun to when it was answered.</summary>
/// <param name="Began">When.</param>
/// <param name="Ended">When; where the outcome is unknown, never.</param>
/// <param name="Act">What it did.</param>
/// <param name="Version">The version written, deleted or seen; of an unknown delete the one that was to be.</param>
/// <param name="Value">What was written or read; null where that was not told. No value is written twice.</param>
/// <param name="Expected">Of a put, the version that was to be there; 0 for none; null for any.</param>
internal sealed record KeyOperation(long Began, long Ended, KeyAct Act, long Version, string? Value = null, long? Expected = null);

/// <summary>Checks that the operations on one key could have been done one at a time, each between its begin and its end.</summary>
/// <remarks>
/// Versions rise with each write, so they say in which order writes were done, and nothing must be searched. A write of version v takes place at 2v, the delete of it at 2v + 1, a read where what it
/// saw was so. It is wrong exactly if something takes place before what had ended when it began, or if a value was not there to be seen.
/// </remarks>
internal static class VersionedHistory
{
    /// <summary>What is wrong with a history; null for nothing.</summary>
    internal static string? FindFault(IEnumerable<KeyOperation> history)
    {
        KeyOperation[] operations = [.. history.OrderBy(operation => operation.Began)];
        return FindWrongValue(operations) ?? FindWrongCondition(operations) ?? FindWrongOrder(operations);
    }

    /// <summary>Each version has one value, each value one version, and none is seen that was refused, never written, or not yet begun to be.</summary>
    private static string? FindWrongValue(KeyOperation[] operations)
    {
        var valueOf = new Dictionary<long, string>();
        var versionOf = new Dictionary<string, long>();
        ILookup<string, KeyOperation> puts = operations.Where(operation => operation.Act is KeyAct.Put or KeyAct.PutUnknown or KeyAct.PutRefused).ToLookup(operation => operation.Value!);
        foreach (KeyOperation operation in operations)
        {
            if (operation is not { Act: KeyAct.Put or KeyAct.See, Value: { } value }) continue;
            if (valueOf.TryGetValue(operation.Version, out string? other) && other != value) return $"version {operation.Version} is both '{other}' and '{value}'";
            if (versionOf.TryGetValue(value, out long version) && version != operation.Version) return $"'{value}' was written twice, as {version} and {operation.Version}";
            (valueOf[operation.Version], versionOf[value]) = (value, operation.Version);
            KeyOperation? put = puts[value].SingleOrDefault();
            if (put is null) return $"'{value}' was seen and nobody wrote it";
            if (put.Act == KeyAct.PutRefused) return $"'{value}' was surely not written, and was seen";
            if (operation.Ended < put.Began) return $"'{value}' was seen before it was written";
        }

        return null;
    }

    /// <summary>Between the version that was to be there and the one written no other took place.</summary>
    private static string? FindWrongCondition(KeyOperation[] operations)
    {
        long[] versions = [.. operations.Where(operation => operation.Act is KeyAct.Put or KeyAct.See && operation.Version > 0).Select(operation => operation.Version).Distinct().Order()];
        HashSet<long> deleted = [.. operations.Where(operation => operation.Act == KeyAct.Delete).Select(operation => operation.Version)];
        HashSet<long> perhaps = [.. operations.Where(operation => operation.Act == KeyAct.DeleteUnknown).Select(operation => operation.Version)];
        foreach (KeyOperation put in operations)
        {
            if (put is not { Act: KeyAct.Put, Expected: { } expected }) continue;
            int at = Array.BinarySearch(versions, put.Version);
            long before = at > 0 ? versions[at - 1] : 0;
            if (expected == 0 && before > 0 && !deleted.Contains(before) && !perhaps.Contains(before)) return $"'{put.Value}' was written where nothing was to be, over {before}";
            if (expected > 0 && before != expected) return $"'{put.Value}' was written over {before} and not over {expected}";
            if (expected > 0 && deleted.Contains(expected)) return $"'{put.Value}' was written over {expected}, which was deleted";
        }

        return null;
    }

    private static string? FindWrongOrder(KeyOperation[] operations)
    {
        long[] gone = [0, .. operations.Where(operation => operation.Act is KeyAct.Delete or KeyAct.DeleteUnknown).Select(operation => PlaceOf(operation.Version) + 1).Distinct().Order()];
        var ended = new PriorityQueue<long, long>();   // Places, by when they were answered.
        long lowest = 0;
        foreach (KeyOperation operation in operations)
        {
            while (ended.TryPeek(out long place, out long end) && end < operation.Began)
            {
                ended.Dequeue();
                lowest = Math.Max(lowest, place);
            }

            long own;
            switch (operation.Act)
            {
                case KeyAct.Put or KeyAct.Delete:
                    own = PlaceOf(operation.Version) + (operation.Act == KeyAct.Delete ? 1 : 0);
                    if (own <= lowest) return $"{operation} took place at {own}, and what had ended before it began at {lowest}";
                    break;
                case KeyAct.See when operation.Version > 0:
                    own = PlaceOf(operation.Version);
                    if (own < lowest) return $"{operation} saw what was so at {own}, and what had ended before it began took place at {lowest}";
                    break;
                case KeyAct.See:
                    own = Array.Find(gone, place => place >= lowest);   // The earliest: it forbids the least of what follows.
                    if (own < lowest) return $"{operation} saw nothing, and there was something from {lowest} on";
                    break;
                default:
                    continue;
            }

            ended.Enqueue(own, operation.Ended);
        }

        return null;
    }

    private static long PlaceOf(long version) => 2 * version;
}
