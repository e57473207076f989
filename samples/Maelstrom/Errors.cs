using System.Text.Json.Nodes;

using Tidemark;

namespace Maelstrom;

/// <summary>Maelstrom's error codes. All but <see cref="Timeout"/> and <see cref="Crash"/> are definite: what was asked for did not happen and never will.</summary>
internal enum ErrorCode
{
    Timeout = 0,
    NotSupported = 10,
    TemporarilyUnavailable = 11,
    MalformedRequest = 12,
    Crash = 13,
    Abort = 14,
    KeyDoesNotExist = 20,
    PreconditionFailed = 22,
}

/// <summary>A request is answered with an error.</summary>
internal sealed class RequestException(ErrorCode code, string text) : Exception(text)
{
    internal ErrorCode Code => code;
}

internal static class Errors
{
    /// <summary>The answer that a failure comes to. What is not known to have left everything as it was is not called definite.</summary>
    internal static JsonObject ToBody(Exception failure) => new()
    {
        ["type"] = "error",
        ["code"] = (int)CodeOf(failure),
        ["text"] = failure.Message,
    };

    private static ErrorCode CodeOf(Exception failure) => failure switch
    {
        RequestException request => request.Code,
        OutcomeUnknownException => ErrorCode.Timeout,
        ShardUnavailableException or OverloadedException or StoreFullException or StoreFailedException => ErrorCode.TemporarilyUnavailable,
        LimitExceededException => ErrorCode.MalformedRequest,
        WriteRefusedException => ErrorCode.Abort,
        _ => ErrorCode.Crash,
    };
}
