namespace Tidemark;

/// <summary>The wait for a client's write was cancelled. The write may still happen; its id tells later whether it did.</summary>
public sealed class WriteCanceledException : OperationCanceledException
{
    /// <summary>Creates the error.</summary>
    /// <param name="write">The write.</param>
    /// <param name="cancellationToken">What was cancelled.</param>
    public WriteCanceledException(WriteId write, CancellationToken cancellationToken)
        : base("The wait for a write was cancelled. It may still happen: ask for its outcome by its id.", cancellationToken) => Write = write;

    /// <summary>Which write it was.</summary>
    public WriteId Write { get; }
}
