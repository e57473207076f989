using System.Text;

using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Topics;

namespace Tidemark.Tests.Topics;

/// <summary>One partition in a store's directory, without the topic around it.</summary>
internal sealed class PartitionHarness : IAsyncDisposable
{
    private readonly StoreRuntime _runtime;

    private PartitionHarness(StoreRuntime runtime, LocalPartition partition) => (_runtime, Partition) = (runtime, partition);

    internal LocalPartition Partition { get; }

    internal static async Task<PartitionHarness> OpenAsync(IFileSystem files, TopicOptions? options = null, TimeProvider? time = null, long snapshotLogBytes = 1024 * 1024)
    {
        var runtime = StoreRuntime.Open(Path.GetFullPath("p"), new TidemarkStoreOptions { FileSystem = files, TimeProvider = time ?? TimeProvider.System, SnapshotLogBytes = snapshotLogBytes });
        return new PartitionHarness(runtime, await runtime.OpenPartitionAsync(new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), 7, 3, options ?? new TopicOptions()));
    }

    internal Task<AppendResult> AppendAsync(params string[] texts) => Partition.AppendAsync([.. texts.Select(Message)], null, null, default).AsTask();

    internal async Task<AppendResult> AppendAsync(ProducerTicket ticket, params string[] texts) => await Partition.AppendAsync([.. texts.Select(Message)], ticket, null, default);

    internal async Task<string[]> ReadAsync(TopicPosition from, TopicReadOptions? options = null) =>
        [.. (await Partition.ReadAsync(from, options ?? new TopicReadOptions(), default)).Messages.Select(message => $"{message.Offset}:{Text(message)}")];

    internal static TopicMessage Message(string text) => new(Encoding.UTF8.GetBytes(text)) { Id = IdOf(text) };

    /// <summary>The id of a text, so that what is the same has the same.</summary>
    internal static Guid IdOf(string text)
    {
        Span<byte> id = stackalloc byte[ContentId.SizeInBytes];
        ContentId.Compute(Encoding.UTF8.GetBytes(text)).WriteTo(id);
        return new Guid(id[..16], bigEndian: true);
    }

    internal static string Text(StoredMessage message) => Encoding.UTF8.GetString(message.Payload.Span);

    public async ValueTask DisposeAsync() => await _runtime.DisposeAsync();
}
