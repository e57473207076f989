namespace Tidemark.Testing;

/// <summary>The checks that contract suites are written with; they need no test framework.</summary>
internal static class ContractCheck
{
    public static void True(bool condition, string rule)
    {
        if (!condition) throw new ContractViolationException(rule);
    }

    public static void Equal<T>(T expected, T actual, string rule)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
            throw new ContractViolationException($"{rule} Expected {expected}, found {actual}.");
    }

    public static void SameBytes(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual, string rule)
    {
        int common = expected.CommonPrefixLength(actual);
        if (common == expected.Length && common == actual.Length) return;
        throw new ContractViolationException(
            $"{rule} Expected {expected.Length} bytes, found {actual.Length}; they differ from byte {common} on.");
    }

    public static void SameItems(IEnumerable<string> expected, IEnumerable<string> actual, string rule) =>
        Equal(string.Join(", ", expected), string.Join(", ", actual), rule);

    /// <summary>The action throws exactly this type or, where <paramref name="orDerived"/>, one derived from it.</summary>
    public static TError Throws<TError>(Action action, string rule, bool orDerived = false)
        where TError : Exception
    {
        Exception? seen = null;
        try
        {
            action();
        }
        catch (Exception e)
        {
            seen = e;
        }
        return seen is TError error && (orDerived || error.GetType() == typeof(TError))
            ? error
            : throw new ContractViolationException($"{rule} Expected {typeof(TError).Name}, found {seen?.GetType().Name ?? "no error"}.", seen);
    }

    /// <summary>The task throws this type or one derived from it.</summary>
    public static async Task<TError> ThrowsAsync<TError>(Func<Task> action, string rule)
        where TError : Exception
    {
        Exception? seen = null;
        try
        {
            await action().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            seen = e;
        }

        return seen as TError ?? throw new ContractViolationException($"{rule} Expected {typeof(TError).Name}, found {seen?.GetType().Name ?? "no error"}.", seen);
    }

    /// <summary>The task ends in time.</summary>
    public static async Task<T> InTime<T>(Task<T> task, TimeSpan patience, string rule)
    {
        try
        {
            return await task.WaitAsync(patience).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            throw new ContractViolationException($"{rule} It took longer than {patience}.", e);
        }
    }
}
