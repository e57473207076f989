namespace Tidemark.Testing;

/// <summary>An implementation broke a rule of the contract it claims to keep. The message says which, and what was seen.</summary>
public sealed class ContractViolationException(string message, Exception? innerException = null) : Exception(message, innerException);
