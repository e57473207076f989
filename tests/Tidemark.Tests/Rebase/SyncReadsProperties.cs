using Tidemark.Core.KeyValue;
using Tidemark.Tests.KeyValue.Model;

namespace Tidemark.Tests.Rebase;

/// <summary>Copies that pull now and then from a machine that anything happens to.</summary>
public sealed class SyncReadsProperties
{
    [Fact]
    public void A_copy_that_pulls_at_any_moments_in_any_portions_is_as_the_state_is_in_hierarchical_order() => CopiesConverge(KeyOrder.Hierarchical, firstSeed: 1);

    [Fact]
    public void A_copy_that_pulls_at_any_moments_in_any_portions_is_as_the_state_is_in_natural_order() => CopiesConverge(KeyOrder.Natural, firstSeed: 20_001);

    [Fact]
    public void A_copy_whose_position_is_no_longer_kept_is_told_so_and_begins_anew()
    {
        var run = new MachineRun(KeyOrder.Natural);
        using var machine = new KvMachine(new MemoryEngine(), MachineRun.Identity);
        var copy = new NaiveCopy(Guid.Empty);
        foreach (ModelCommand command in MachineRun.Draw(KeyOrder.Natural, seed: 3, 30)) MachineRun.Apply(machine, run.Append(command));
        while (!copy.IsWhole) copy.Pull(machine, KeyOrder.Natural, 0);
        for (int i = 0; i < 200; i++) MachineRun.Apply(machine, run.Append(new Write(null, [], [new Put("a", new Text([(byte)i]))])));
        copy.Pull(machine, KeyOrder.Natural, 0);
        Assert.Equal(Core.Rebase.SyncResetReason.TooOld, copy.LastReset);
        while (copy.Pull(machine, KeyOrder.Natural, 20))
        {
        }

        copy.AssertIs(machine);
    }

    [Fact]
    public void A_copy_of_another_state_of_the_same_length_has_diverged_and_one_from_the_future_is_ahead()
    {
        (KvMachine left, MachineRun one) = Begin();
        (KvMachine right, MachineRun other) = Begin();
        var copy = new NaiveCopy(Guid.Empty);
        while (copy.Pull(left, KeyOrder.Natural, 0))
        {
        }

        MachineRun.Apply(left, one.Append(new Write(null, [], [new Put("a", "1")])));
        MachineRun.Apply(right, other.Append(new Write(null, [], [new Put("a", "2")])));
        copy.Pull(left, KeyOrder.Natural, 0);
        copy.Pull(right, KeyOrder.Natural, 0);
        Assert.Equal(Core.Rebase.SyncResetReason.Diverged, copy.LastReset);
        while (copy.Pull(right, KeyOrder.Natural, 0))
        {
        }

        copy.AssertIs(right);
        MachineRun.Apply(right, other.Append(new Write(null, [], [new Put("a", "3")])));
        copy.Pull(right, KeyOrder.Natural, 0);
        copy.Pull(left, KeyOrder.Natural, 0);
        Assert.Equal(Core.Rebase.SyncResetReason.Ahead, copy.LastReset);
        left.Dispose();
        right.Dispose();
    }

    private static (KvMachine Machine, MachineRun Run) Begin()
    {
        var run = new MachineRun(KeyOrder.Natural);
        var machine = new KvMachine(new MemoryEngine(), MachineRun.Identity);
        MachineRun.Apply(machine, run.Append(new Configure(new CommandSource(1, KeyOrder.Natural).Settings)));
        return (machine, run);
    }

    private static void CopiesConverge(KeyOrder order, int firstSeed)
    {
        int downloads = 0, resumed = 0;
        for (int seed = firstSeed; seed < firstSeed + Soak.Times(25); seed++)
        {
            var random = new Random(seed);
            var run = new MachineRun(order);
            using var machine = new KvMachine(new MemoryEngine(), MachineRun.Identity);
            NaiveCopy[] copies = [.. Enumerable.Range(0, 3).Select(i => new NaiveCopy(new Guid(i, 0, 0, new byte[8])))];
            foreach (ModelCommand command in MachineRun.Draw(order, seed, 300))
            {
                MachineRun.Apply(machine, run.Append(command));
                for (int i = 0; i < copies.Length; i++)
                {
                    if (random.Next(1 + (i * 6)) == 0) copies[i].Pull(machine, order, random.Next(4) == 0 ? 0 : random.Next(1, 120));
                    if (!copies[i].IsWhole) resumed++;
                }
            }

            foreach (NaiveCopy copy in copies)
            {
                while (copy.Pull(machine, order, random.Next(1, 200)) || !copy.IsWhole)
                {
                }

                copy.AssertIs(machine);
                downloads += copy.Downloads;
            }
        }

        Assert.True(downloads > 0, "no copy was ever too far behind");
        Assert.True(resumed > 0, "no copy was ever part of one only");
    }
}
