using System.Text;

namespace Tidemark.Replication.Export;

/// <summary>The words of the format of exports: docs/format/export.md.</summary>
internal static class ExportFormat
{
    internal const int Version = 1;
    internal const int MaxLineBytes = 512 * 1024 * 1024;
    internal const string Export = "export";

    // The fields that a line may begin with.
    internal const string Header = "tidemark";
    internal const string Namespace = "namespace";
    internal const string Key = "key";
    internal const string End = "end";

    /// <summary>Compares names by their UTF-8.</summary>
    internal static int CompareNames(string left, string right) => Encoding.UTF8.GetBytes(left).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(right));
}

/// <summary>A line of an export.</summary>
internal abstract record ExportLine;

/// <summary>The first.</summary>
internal sealed record HeaderLine(long Version) : ExportLine;

/// <summary>What follows is in a namespace.</summary>
internal sealed record NamespaceLine(string Name, NamespaceOptions Settings) : ExportLine;

/// <summary>A record: what an import writes anew.</summary>
internal sealed record RecordLine(byte[] Key, byte[] Value, byte[]? PartitionKey, HybridTimestamp? Expires, IReadOnlyList<IndexEntry> Indexes) : ExportLine;

/// <summary>The last.</summary>
internal sealed record EndLine(long Records) : ExportLine;
