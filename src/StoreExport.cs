namespace Tidemark;

/// <summary>What was exported.</summary>
/// <param name="Records">The records that were written.</param>
/// <param name="Ephemerals">Records of sessions, which were left out.</param>
/// <param name="Bytes">The bytes that were written.</param>
public sealed record ExportReport(long Records, long Ephemerals, long Bytes);

/// <summary>What was imported.</summary>
/// <param name="Records">The records that were written to the store, each durably.</param>
/// <param name="Expired">Records whose time was over, which were left out.</param>
/// <param name="Skipped">Records of other namespaces than the one asked for.</param>
public sealed record ImportReport(long Records, long Expired, long Skipped);

/// <summary>How far an export or import has come.</summary>
/// <param name="Records">The records written or read.</param>
/// <param name="Bytes">The bytes written or read.</param>
public readonly record struct ExportProgress(long Records, long Bytes);
