namespace Tidemark;

/// <summary>What opening a log found and did.</summary>
/// <param name="WasCreated">The log did not exist and was created.</param>
/// <param name="WasClosedCleanly">It had been closed; nothing had to be decided.</param>
/// <param name="CutFile">The segment file whose torn tail was cut, or null where nothing was.</param>
/// <param name="CutPosition">Where in that file the log ends since, in bytes.</param>
/// <param name="CutBytes">How many bytes behind that were given up, to the last one that was not zero, later files included. None was acknowledged.</param>
public sealed record LogRecoveryReport(bool WasCreated, bool WasClosedCleanly, string? CutFile, long CutPosition, long CutBytes);
