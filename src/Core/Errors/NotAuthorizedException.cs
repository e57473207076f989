namespace Tidemark;

/// <summary>A client asked for what it may not do, by the rule of the node that was asked. Nothing happened.</summary>
public sealed class NotAuthorizedException(string message)
    : TidemarkException(TidemarkErrorCode.NotAuthorized, isTransient: false, message);
