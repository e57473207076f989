namespace Tidemark.Testing;

/// <summary>One rule of a contract, to be run on an implementation by any test framework.</summary>
/// <typeparam name="TSubject">What is put to the test.</typeparam>
public sealed class ContractCase<TSubject>
{
    private readonly Action<Func<TSubject>> _run;

    internal ContractCase(string name, Action<Func<TSubject>> run)
    {
        Name = name;
        _run = run;
    }

    /// <summary>The rule as a sentence, with underscores for spaces.</summary>
    public string Name { get; }

    /// <summary>Runs the case.</summary>
    /// <param name="create">Creates the subject, fresh and empty. Called once or more.</param>
    /// <exception cref="ContractViolationException">The subject broke the rule. Other exceptions are its own and count as failures too.</exception>
    public void Run(Func<TSubject> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        _run(create);
    }

    /// <summary>The name, so that a test explorer shows it.</summary>
    public override string ToString() => Name;
}
