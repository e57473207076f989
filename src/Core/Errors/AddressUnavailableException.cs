namespace Tidemark;

/// <summary>An address cannot be listened to: another process has it, or it is none of this machine's.</summary>
public sealed class AddressUnavailableException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="address">The address and port.</param>
    /// <param name="message">Why not, and the remedy.</param>
    /// <param name="innerException">The cause.</param>
    public AddressUnavailableException(string address, string message, Exception? innerException = null)
        : base(TidemarkErrorCode.AddressUnavailable, isTransient: true, message, innerException) => Address = address;

    /// <summary>The address and port.</summary>
    public string Address { get; }
}
