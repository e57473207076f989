namespace Tidemark;

/// <summary>The base of every error Tidemark raises on its own account.</summary>
/// <remarks>Subclasses exist only where a caller would act differently. Expected outcomes are return values, not exceptions.</remarks>
public class TidemarkException : Exception
{
    /// <summary>Creates an error.</summary>
    /// <param name="code">What went wrong, as a stable number.</param>
    /// <param name="isTransient">Whether the same call may succeed later with nothing changed by the caller.</param>
    /// <param name="message">The thing, the limit and the remedy.</param>
    /// <param name="innerException">The cause, if another error is.</param>
    public TidemarkException(TidemarkErrorCode code, bool isTransient, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        Code = code;
        IsTransient = isTransient;
    }

    /// <summary>What went wrong, as a stable number.</summary>
    public TidemarkErrorCode Code { get; }

    /// <summary>Whether the same call may succeed later with nothing changed by the caller.</summary>
    public bool IsTransient { get; }
}
