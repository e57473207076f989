namespace Tidemark;

/// <summary>A local store syncs no more: its copy differed from the server's state twice within ten downloads. Reads and mutations go on, and what is pending is kept.</summary>
/// <remarks>Not transient: look for a server and a client of different versions, or for bad memory. Then call <c>LocalStore.RetrySyncAsync</c>.</remarks>
public sealed class SyncFaultedException(string message) : TidemarkException(TidemarkErrorCode.SyncFaulted, isTransient: false, message);
