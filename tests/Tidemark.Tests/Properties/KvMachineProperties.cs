using System.Text.RegularExpressions;

using Tidemark.Core.KeyValue;
using Tidemark.Tests.KeyValue.Model;

namespace Tidemark.Tests.Properties;

/// <summary>The key-value machine against a model of its format page that shares nothing with it.</summary>
public sealed class KvMachineProperties
{
    private static readonly Regex _words = new("[A-Za-z]+");

    [Fact]
    public void In_hierarchical_order_the_machine_answers_counts_and_reads_as_the_model_does() => AgreesWithTheModel(KeyOrder.Hierarchical, firstSeed: 1);

    [Fact]
    public void In_natural_order_the_machine_answers_counts_and_reads_as_the_model_does() => AgreesWithTheModel(KeyOrder.Natural, firstSeed: 10_001);

    [Fact]
    public void The_drawn_commands_meet_every_status_a_command_in_its_format_can_have()
    {
        HashSet<string> met = [];
        for (int seed = 1; seed <= 10; seed++)
        {
            var run = new MachineRun(KeyOrder.Natural);
            foreach (ModelCommand command in MachineRun.Draw(KeyOrder.Natural, seed, 1_000)) run.Append(command);
            foreach (RunEntry entry in run.Log) met.UnionWith(_words.Matches(entry.Answer).Select(word => word.Value).Intersect(Enum.GetNames<StoreStatus>()));
        }

        string[] unformatted = [nameof(StoreStatus.Malformed), nameof(StoreStatus.UnknownCommand)];
        Assert.Equal(Enum.GetNames<StoreStatus>().Except(unformatted).Order(), met.Order());
    }

    private static void AgreesWithTheModel(KeyOrder order, int firstSeed)
    {
        for (int seed = firstSeed; seed < firstSeed + Soak.Times(12); seed++)
        {
            int of = seed;
            MachineRun.Check(order, seed, 400, commands =>
            {
                var run = new MachineRun(order);
                var random = new Random(of);
                using var engine = new MemoryEngine();
                using var machine = new KvMachine(engine, MachineRun.Identity);
                foreach (ModelCommand command in commands)
                {
                    MachineRun.Apply(machine, run.Append(command));
                    MachineCheck.Sums(machine, run.Model);
                    if (random.Next(20) == 0) MachineCheck.Reads(machine, run.Model, random);
                }

                MachineCheck.Reads(machine, run.Model, random);
            });
        }
    }
}
