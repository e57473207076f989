namespace Tidemark.Core.Rebase;

/// <summary>How a run of a mutation ended.</summary>
internal enum MutationEnd : byte
{
    /// <summary>It wrote what it wrote.</summary>
    Done,

    /// <summary>Its mutator rejected it.</summary>
    Rejected,

    /// <summary>There is no mutator of that name and version here.</summary>
    NotKnown,

    /// <summary>Its mutator failed in a way that may pass.</summary>
    Transient,

    /// <summary>Its mutator threw.</summary>
    Faulted,
}

/// <summary>What came of a run of a mutation.</summary>
/// <param name="End">How it ended.</param>
/// <param name="Writes">What it wrote, by encoded key, ascending; null for what it deleted. Empty unless it is <see cref="MutationEnd.Done"/>.</param>
/// <param name="Code">Why it was rejected, for programs.</param>
/// <param name="Text">Why it was rejected or failed, for people.</param>
/// <param name="Fault">What it threw, unless it was rejected.</param>
internal readonly record struct MutationRun(MutationEnd End, IReadOnlyDictionary<byte[], byte[]?> Writes, string? Code = null, string? Text = null, Exception? Fault = null)
{
    internal static IReadOnlyDictionary<byte[], byte[]?> Nothing { get; } = new Dictionary<byte[], byte[]?>();

    /// <summary>Runs a mutation over records. Whatever the mutator does wrong is an answer.</summary>
    internal static MutationRun Of(Mutators mutators, IMutationSource source, Guid client, TimelineEntry mutation)
    {
        if (!mutators.TryFind(mutation.Name, mutation.Version, out Mutator? mutator))
            return new MutationRun(MutationEnd.NotKnown, Nothing, Text: $"There is no mutator '{mutation.Name}' of version {mutation.Version}.");
        var context = new MutationContext(source, client, mutation.Id, mutation.Time);
        try
        {
            mutator.Run(context, mutation.Arguments.Span);
            return new MutationRun(MutationEnd.Done, context.Writes);
        }
        catch (MutationRejectedException rejection)
        {
            return new MutationRun(MutationEnd.Rejected, Nothing, rejection.Reason, rejection.Text);
        }
        catch (TidemarkException e) when (e.IsTransient)
        {
            return new MutationRun(MutationEnd.Transient, Nothing, Text: e.Message, Fault: e);
        }
#pragma warning disable CA1031 // The user's code may throw anything, and one mutation must not stop the others.
        catch (Exception e)
        {
            return new MutationRun(MutationEnd.Faulted, Nothing, Text: e.Message, Fault: e);
        }
#pragma warning restore CA1031
    }
}
