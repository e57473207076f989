using Tidemark.Replication.Cluster;

using static Tidemark.Tests.SnapshotHarness;

namespace Tidemark.Tests.Golden;

/// <summary>The example of docs/format/status-file.md, and what is said there about reading.</summary>
public sealed class StatusFileFormatTests
{
    private const string FilePath = "/cluster/status";

    private const string Example =
        "544D535441545553" + "0100010000000000" +
        "0300000000000000" + "02000000" + "D3A29F82" +
        "7B7D";

    private readonly MemoryFileSystem _files = new();

    public StatusFileFormatTests() => _files.CreateDirectory("/cluster");

    [Fact]
    public async Task A_status_file_has_the_bytes_of_its_format_page()
    {
        var store = new FileClusterStatusStore(FilePath, new FileStatusOptions { FileSystem = _files });
        for (int version = 0; version < 3; version++) await store.TryWriteAsync("{}"u8.ToArray(), version);
        Assert.Equal(Example, Convert.ToHexString(ReadFile(_files, FilePath)));
        Assert.Equal(["status", "status.lock"], _files.ListFiles("/cluster"));
    }

    [Fact]
    public void Every_bit_that_turns_is_found_and_so_is_every_other_length()
    {
        byte[] whole = Convert.FromHexString(Example);
        for (int at = 0; at < whole.Length; at++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                byte[] damaged = whole.ToArray();
                damaged[at] ^= (byte)(1 << bit);
                AssertIsCorrupt(damaged, $"bit {bit} of byte {at}");
            }
        }

        for (int length = 0; length < whole.Length; length++) AssertIsCorrupt(whole[..length], $"length {length}");
        for (int more = 1; more < 50; more++) AssertIsCorrupt([.. whole, .. new byte[more]], $"{more} zeros more");
    }

    [Fact]
    public async Task A_damaged_file_is_neither_read_as_none_nor_written_over()
    {
        byte[] damaged = Convert.FromHexString(Example);
        damaged[^1] ^= 1;
        PutFile(_files, FilePath, damaged);
        var store = new FileClusterStatusStore(FilePath, new FileStatusOptions { FileSystem = _files });
        await Assert.ThrowsAsync<CorruptDataException>(async () => await store.ReadAsync());
        foreach (long expected in (long[])[0, 3])
            await Assert.ThrowsAsync<CorruptDataException>(async () => await store.TryWriteAsync("new"u8.ToArray(), expected));
        await Assert.ThrowsAsync<CorruptDataException>(async () => await store.WatchAsync(0).GetAsyncEnumerator().MoveNextAsync());
        Assert.Equal(damaged, ReadFile(_files, FilePath));
    }

    [Fact]
    public void A_file_of_a_later_format_is_refused_by_name()
    {
        byte[] later = Convert.FromHexString(Example);
        later[8] = 2;
        byte[] covered = [.. later[..28], .. later[32..]];
        BitConverter.TryWriteBytes(later.AsSpan(28), Core.Hashing.Crc32C.Compute(covered));
        PutFile(_files, FilePath, later);
        Assert.Contains("format 2", Assert.Throws<FormatMismatchException>(() => StatusFile.Read(_files, FilePath)).Message, StringComparison.Ordinal);
    }

    private void AssertIsCorrupt(byte[] bytes, string what)
    {
        PutFile(_files, FilePath, bytes);
        Exception? found = Record.Exception(() => StatusFile.Read(_files, FilePath));
        Assert.True(found is CorruptDataException { File: FilePath }, $"{what}: {found?.ToString() ?? "not found"}");
    }
}
