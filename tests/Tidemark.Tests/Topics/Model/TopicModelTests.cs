using Tidemark.Replication.Topics;
using Tidemark.Testing;

namespace Tidemark.Tests.Topics.Model;

/// <summary>
/// Random appends, readings, trims and changes against a model of lists. In between the store is closed, or the power goes, or a backup of it is restored, and it is opened again: what was
/// acknowledged is there, once, in its order.
/// </summary>
public sealed class TopicModelTests
{
    [Fact]
    public async Task A_topic_does_what_the_model_does_over_restarts_power_cuts_and_restored_backups()
    {
        int restores = 0;
        for (int seed = 1; seed <= Soak.Times(6); seed++) restores += await new Run(seed).RunAsync();
        Assert.True(restores > 0, "no backup was restored");
    }

    private sealed class Run(int seed)
    {
        private readonly Random _random = new(seed);
        private readonly Guid _producer = new(seed, 1, 2, new byte[8]);
        private readonly Dictionary<int, (long Sequence, IReadOnlyList<TopicMessage> Messages, AppendResult Result)> _numbered = [];
        private readonly List<PartitionModel> _model = [];
        private readonly List<Guid> _ids = [];
        private TopicOptions _options = new() { Partitions = 2, SegmentBytes = 64 * 1024, DeduplicationIds = seed % 2 == 0 ? 5 : 0 };
        private Topic _topic = null!;
        private TopicProducer _fresh = null!;   // Of this opening.
        private int _count;

        internal async Task<int> RunAsync()
        {
            (string directory, int restores) = ("d", 0);
            var disk = new FaultyFileSystem(seed);
            AddPartitions();
            for (int opening = 0; opening < 6; opening++)
            {
                var options = new TidemarkStoreOptions { FileSystem = disk, Random = new Random((seed * 100) + opening), SnapshotLogBytes = 4096 };
                TidemarkStore store = await TidemarkStore.OpenAsync(directory, options);
                _topic = await store.Topics.GetOrCreateAsync("orders", _options);
                _fresh = _topic.CreateProducer();
                await CompareAsync($"seed {seed}, opening {opening}");
                for (int step = 0; step < 80; step++)
                {
                    await StepAsync(store);
                    if (step % 20 == 19) await CompareAsync($"seed {seed}, opening {opening}, step {step}");
                }

                if (_random.Next(3) == 0)
                {
                    await store.BackupAsync($"b{opening}");
                    directory = $"d{opening}";
                    await TidemarkStore.RestoreAsync($"b{opening}", directory, options with { Random = new Random(seed) });
                    restores++;
                }

                if (_random.Next(2) == 0) await store.DisposeAsync();
                FaultyFileSystem left = disk.Crash((CrashLoss)_random.Next(3)).Disk;
                await store.DisposeAsync();
                disk = left;
            }

            Assert.True((await TidemarkStore.VerifyAsync(directory, new TidemarkStoreOptions { FileSystem = disk })).IsWhole);
            return restores;
        }

        private async Task StepAsync(TidemarkStore store)
        {
            switch (_random.Next(20))
            {
                case 0:
                    PartitionModel trimmed = Any();
                    long before = _random.NextInt64(trimmed.End + 1);
                    await _topic.TrimAsync(trimmed.Number, before);
                    trimmed.Trim(before);
                    break;
                case 1 when _random.Next(4) == 0:
                    await _topic.PurgeAsync();
                    foreach (PartitionModel partition in _model) partition.Trim(partition.End);
                    break;
                case 2 when _model.Count < 5:
                    _options = _options with { Partitions = _model.Count + 1 };
                    await store.Topics.ChangeAsync("orders", _options);
                    AddPartitions();
                    break;
                case 3 or 4 or 5:
                    await AppendNumberedAsync();
                    break;
                case 6 or 7 or 8:
                    await ReadAsync();
                    break;
                default:
                    await AppendAsync();
                    break;
            }
        }

        private async Task AppendAsync()
        {
            StoreKey? key = _random.Next(3) == 0 ? $"key {_random.Next(9)}" : default(StoreKey?);
            int? named = key is null && _random.Next(2) == 0 ? Any().Number : null;
            IReadOnlyList<TopicMessage> messages = Messages(key);
            PartitionModel? target = named is { } number ? _model[number] : null;
            long? expected = target is not null && _random.Next(3) == 0 ? target.End - _random.Next(2) : null;
            if (expected < 0) expected = 0;
            var options = new AppendOptions { Partition = named, ExpectedOffset = expected };
            AppendResult result = _random.Next(3) == 0 ? await _fresh.AppendAsync(messages, options) : await _topic.AppendAsync(messages, options);
            if (named is not null) Assert.Equal(named, result.Partition);
            if (key is { } routing) Assert.Equal((int)(Core.Hashing.XxHash32.HashToUInt32(routing.Span) % (uint)_model.Count), result.Partition);
            Assert.Equal(_model[result.Partition].Append(messages, expected, result.Timestamp), result);
        }

        /// <summary>As a producer whose answers get lost: the same number comes once more, also after a restart.</summary>
        private async Task AppendNumberedAsync()
        {
            PartitionModel target = Any();
            TopicPartition partition = ((PartitionedTopic)_topic).View[target.Number];
            if (!_numbered.TryGetValue(target.Number, out (long Sequence, IReadOnlyList<TopicMessage> Messages, AppendResult Result) last))
            {
                await partition.RegisterAsync(_producer, default);
            }
            else if (_random.Next(2) == 0)
            {
                Assert.Equal(last.Result, await partition.AppendAsync(last.Messages, new ProducerTicket(_producer, last.Sequence), null, default));
                return;
            }

            IReadOnlyList<TopicMessage> messages = Messages(key: null);
            AppendResult result = await partition.AppendAsync(messages, new ProducerTicket(_producer, last.Sequence + 1), null, default);
            Assert.Equal(target.Append(messages, null, result.Timestamp), result);
            _numbered[target.Number] = (last.Sequence + 1, messages, result);
        }

        private async Task ReadAsync()
        {
            PartitionModel partition = Any();
            long offset = _random.NextInt64(partition.Start, partition.End + 1), count = _random.NextInt64(10);
            HybridTimestamp time = partition.Messages.Count > 0 ? partition.Messages[_random.Next(partition.Messages.Count)].Timestamp : HybridTimestamp.MinValue;
            (TopicPosition position, long from) = _random.Next(5) switch
            {
                0 => (TopicPosition.First, partition.Start),
                1 => (TopicPosition.End, partition.End),
                2 => (TopicPosition.Last(count), Math.Max(partition.Start, partition.End - count)),
                3 => (TopicPosition.AtTime(time), partition.FirstAt(time)),
                _ => (TopicPosition.At(offset), offset),
            };
            await ReadAsync(partition, position, from, new TopicReadOptions { MaxMessages = _random.Next(1, 12), Reverse = _random.Next(2) == 0 }, "a page");
            if (partition.Start == 0) return;
            var gone = await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await _topic.ReadAsync(partition.Number, TopicPosition.At(partition.Start - 1)));
            Assert.Equal((partition.Number, partition.Start, partition.End), (gone.Partition, gone.Start, gone.End));
        }

        private async Task CompareAsync(string story)
        {
            Assert.Equal(_options, _topic.Options);
            foreach (PartitionModel partition in _model)
            {
                await ReadAsync(partition, TopicPosition.First, partition.Start, new TopicReadOptions { MaxMessages = int.MaxValue }, story);
                await ReadAsync(partition, TopicPosition.End, partition.End, new TopicReadOptions { MaxMessages = int.MaxValue, Reverse = true }, story);
                List<string> tailed = [];
                await using IAsyncEnumerator<StoredMessage> tail = _topic.TailAsync(partition.Number, TopicPosition.First, new TopicReadOptions { MaxMessages = 3 }).GetAsyncEnumerator();
                while (tailed.Count < partition.Messages.Count && await tail.MoveNextAsync()) tailed.Add(Text(tail.Current));
                Assert.True(partition.Read(partition.Start, isReverse: false, int.MaxValue).Texts.SequenceEqual(tailed), story);
            }
        }

        private async Task ReadAsync(PartitionModel partition, TopicPosition position, long from, TopicReadOptions options, string story)
        {
            TopicPage page = await _topic.ReadAsync(partition.Number, position, options);
            (string[] texts, long next) = partition.Read(from, options.Reverse, options.MaxMessages);
            Assert.True(texts.SequenceEqual(page.Messages.Select(Text)), $"seed {seed}, {story}, partition {partition.Number}: [{string.Join(", ", page.Messages.Select(Text))}] and not [{string.Join(", ", texts)}]");
            Assert.Equal((next, partition.Start, partition.End), (page.Next, page.Start, page.End));
        }

        private TopicMessage[] Messages(StoreKey? key)
        {
            var messages = new TopicMessage[_random.Next(1, 5)];
            foreach (ref TopicMessage message in messages.AsSpan())
            {
                bool isRepeated = _ids.Count > 0 && _random.Next(4) == 0;
                var id = new Guid(seed, 0, 0, BitConverter.GetBytes((long)_count));
                if (isRepeated) id = _ids[Math.Max(0, _ids.Count - 1 - _random.Next(8))];
                else _ids.Add(id);
                message = FakeTopic.Message($"m{_count++}{new string('.', _random.Next(2000))}") with { Id = id, Key = key };
            }

            return messages;
        }

        private PartitionModel Any() => _model[_random.Next(_model.Count)];

        private void AddPartitions()
        {
            while (_model.Count < _options.Partitions) _model.Add(new PartitionModel(_model.Count, _options.DeduplicationIds));
        }

        private static string Text(StoredMessage message) => $"{message.Offset} {message.Text()} {message.Id}";
    }
}
