using Tidemark.Replication.Topics;
using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>
/// Cuts the power before every operation that changes the disk, under a workload of appends, trims, states remembered and moved, and reopenings. Every message that was answered and not trimmed must be there, in
/// its place; what is there must be a prefix of what was asked; and a producer's append that is repeated must not be there twice.
/// </summary>
public sealed class PartitionCrashTests
{
    private const int Appends = 40;

    private static readonly TopicOptions _options = new() { DeduplicationIds = 20 };
    private static readonly Guid _producer = new(7, 0, 0, new byte[8]);

    [Fact]
    public void Whatever_a_power_cut_leaves_opens_with_every_answered_message()
    {
        int states = 0, bases = 0;
        for (int seed = 1; seed <= Soak.Times(2); seed++)
        {
            int answered = 0, trimmed = 0;
            var disk = new FaultyFileSystem(seed);
            void Look(DiskOperation operation)
            {
                (int promised, int gone) = (answered, trimmed);
                if (gone > 0 && operation.ToString().Contains("snapshot", StringComparison.Ordinal)) bases++;
                foreach (CrashState state in disk.CrashStates(3))
                {
                    states++;
                    Check(state.Disk, promised, gone, () => $"seed {seed}, before {operation}, {promised} answered, {gone} trimmed: {state}");
                }
            }

            disk.BeforeOperation = Look;
            for (int opening = 0; opening < 3; opening++)
            {
                var partition = SyncPartition.Open(disk, _options);
                if (opening == 0) partition.Register(_producer);
                for (int i = 0; i < Appends; i++)
                {
                    AppendNext(partition, answered);
                    answered++;
                    if (i % 10 != 9) continue;
                    trimmed = Math.Max(trimmed, answered - 15);   // May be so from here on, and need not yet.
                    partition.Trim(Offset(trimmed));
                }

                if (opening != 1)
                {
                    partition.Close();
                }
                else
                {
                    disk = disk.ProcessKill();
                    disk.BeforeOperation = Look;
                }
            }
        }

        Assert.True(states > 1000, $"only {states} states");
        Assert.True(bases > 10, $"only {bases} operations on states");
    }

    /// <summary>Each append is two messages; every second one has its producer's number.</summary>
    private static void AppendNext(SyncPartition partition, int number)
    {
        AppendResult result = partition.Append(number % 2 == 0 ? new ProducerTicket(_producer, (number / 2) + 1) : null, Text(number, 0), Text(number, 1));
        Assert.Equal((AppendStatus.Appended, Offset(number), 2), (result.Status, result.Offset, result.Count));
    }

    private static void Check(IFileSystem disk, int answered, int mostTrimmed, Func<string> situation)
    {
        try
        {
            var partition = SyncPartition.Open(disk, _options);
            (long start, List<string> texts) = partition.ReadAll();
            Assert.True(start <= Offset(mostTrimmed), $"it begins at {start}");
            Assert.True(start + texts.Count >= Offset(answered), $"it ends at {start + texts.Count}");
            for (int i = 0; i < texts.Count; i++) Assert.Equal(Text((int)(start + i) / 2, (int)(start + i) % 2), texts[i]);
            int next = (int)(start + texts.Count) / 2;
            if (next > 0)
            {
                int last = next - 1 - ((next - 1) % 2);   // The producer's last.
                Assert.Equal(Offset(last), partition.Append(new ProducerTicket(_producer, (last / 2) + 1), Text(last, 0), Text(last, 1)).Offset);
                Assert.Equal(AppendStatus.Duplicate, partition.Append(null, Text(next - 1, 1)).Status);
            }

            if (answered > 0) AppendNext(partition, next);   // The producer was registered.
            partition.Close();
        }
        catch (Exception e)
        {
            Assert.Fail($"{situation()}\n{e}");
        }
    }

    private static long Offset(int number) => 2L * number;

    private static string Text(int number, int which) => $"{number}.{which} {new string('x', 100)}";
}
