using Microsoft.Extensions.Logging;

namespace Maelstrom;

/// <summary>Writes what a node reports to stderr, which Maelstrom keeps beside the history.</summary>
internal sealed class StderrLog : ILoggerFactory, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Information and < LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel)) Console.Error.WriteLine($"{logLevel}: {formatter(state, exception)} {exception}");
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("There is one place to write to.");

    public void Dispose()
    {
        // Nothing is held.
    }
}
