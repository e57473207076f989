namespace Tidemark.Core.Replication;

/// <summary>Which protocol this program speaks with other nodes. Each node says it in the status at every start.</summary>
internal static class ProtocolVersion
{
    internal const int Current = 1;
}
