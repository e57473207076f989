namespace Tidemark.Core.Engines;

/// <summary>Rows in ascending key order, as a batch for an engine.</summary>
internal sealed class RowBatch(List<KeyValuePair<byte[], byte[]>> rows) : IEngineBatch
{
    private int _at = -1;

    public ReadOnlySpan<byte> Key => rows[_at].Key;

    public ReadOnlySpan<byte> Value => rows[_at].Value;

    public bool IsDelete => false;

    public void Reset() => _at = -1;

    public bool MoveNext() => ++_at < rows.Count;
}
