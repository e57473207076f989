namespace Tidemark.Testing;

/// <summary>One rule of a contract that takes its time, to be run on an implementation by any test framework.</summary>
/// <typeparam name="TSubject">What is put to the test.</typeparam>
public sealed class AsyncContractCase<TSubject>
{
    private readonly Func<TSubject, Task> _rule;

    internal AsyncContractCase(string name, Func<TSubject, Task> rule)
    {
        Name = name;
        _rule = rule;
    }

    /// <summary>The rule as a sentence, with underscores for spaces.</summary>
    public string Name { get; }

    /// <summary>Runs the case.</summary>
    /// <param name="subject">The subject, fresh and empty. Another one for each case.</param>
    /// <exception cref="ContractViolationException">The subject broke the rule. Other exceptions are its own and count as failures too.</exception>
    public async Task RunAsync(TSubject subject)
    {
        ArgumentNullException.ThrowIfNull(subject);
        await Task.Run(() => _rule(subject)).ConfigureAwait(false);   // Away from the caller's thread, of which the rule asks nothing.
    }

    /// <summary>The name, so that a test explorer shows it.</summary>
    public override string ToString() => Name;
}
