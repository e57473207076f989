namespace Tidemark;

/// <summary>A mutation may not be: its mutator said so. Nothing of it was written.</summary>
public sealed class MutationRejectedException : TidemarkException
{
    /// <summary>The longest code, in characters.</summary>
    internal const int MaxCodeLength = 64;

    /// <summary>The longest text, in characters.</summary>
    internal const int MaxTextLength = 1024;

    /// <summary>Creates the error.</summary>
    /// <param name="reason">Why, for programs: 1 to 64 characters.</param>
    /// <param name="text">Why, for people: up to 1,024 characters, or null.</param>
    public MutationRejectedException(string reason, string? text)
        : base(TidemarkErrorCode.MutationRejected, isTransient: false, text is null ? $"The mutation was rejected: {reason}." : $"The mutation was rejected: {reason}. {text}")
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(reason.Length, MaxCodeLength, nameof(reason));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(text?.Length ?? 0, MaxTextLength, nameof(text));
        (Reason, Text) = (reason, text);
    }

    /// <summary>Why, for programs.</summary>
    public string Reason { get; }

    /// <summary>Why, for people; or null.</summary>
    public string? Text { get; }
}
