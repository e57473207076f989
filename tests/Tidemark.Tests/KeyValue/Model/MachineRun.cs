using System.Buffers;

using Tidemark.Core.KeyValue;

namespace Tidemark.Tests.KeyValue.Model;

/// <summary>An entry of a log that was run, with the answer it must be given wherever it is applied.</summary>
internal sealed record RunEntry(StateEntry Entry, string Answer);

/// <summary>Runs commands through a model and machines, and where they part finds a short list of commands that shows it.</summary>
internal sealed class MachineRun(KeyOrder order)
{
    internal static readonly KvIdentity Identity = new(new Guid("00112233-4455-6677-8899-aabbccddeeff"), 7);

    internal KvModel Model { get; } = new(order);

    internal List<RunEntry> Log { get; } = [];

    /// <summary>Draws commands and checks after each; a failure is told with the fewest commands that were found to bring it about.</summary>
    internal static void Check(KeyOrder order, int seed, int count, Action<IReadOnlyList<ModelCommand>> check)
    {
        List<ModelCommand> commands = Draw(order, seed, count);
        if (Failure(check, commands) is null) return;
        int length = 1;
        while (Failure(check, commands[..length]) is null) length++;   // The shortest prefix, and then what it does without.
        commands = commands[..length];
        for (int i = commands.Count - 1; i >= 0; i--)
        {
            List<ModelCommand> fewer = [.. commands[..i], .. commands[(i + 1)..]];
            if (Failure(check, fewer) is not null) commands = fewer;
        }

        Assert.Fail($"Seed {seed}, {order} order:\n{string.Join('\n', commands)}\n{Failure(check, commands)}");
    }

    internal static List<ModelCommand> Draw(KeyOrder order, int seed, int count)
    {
        var source = new CommandSource(seed, order);
        var run = new MachineRun(order);
        List<ModelCommand> commands = [new Configure(source.Settings)];
        run.Append(commands[0]);
        while (commands.Count < count)
        {
            commands.Add(source.Next(run.Model));
            run.Append(commands[^1]);
        }

        return commands;
    }

    /// <summary>The model applies the next command; what came of it is in the log.</summary>
    internal RunEntry Append(ModelCommand command)
    {
        long offset = Log.Count;
        var position = new StatePosition(1, offset, HybridTimestamp.FromParts(1_700_000_000_000_000 + (offset * 3_000), (int)(offset % 3)));
        byte[] payload = command.Payload();
        var entry = new RunEntry(new StateEntry(position, command.Kind, payload), Model.Apply(command, payload.Length, position).ToString());
        Log.Add(entry);
        return entry;
    }

    internal static void Apply(KvMachine machine, RunEntry entry)
    {
        var answer = new ArrayBufferWriter<byte>();
        machine.Apply(entry.Entry, answer);
        Assert.Equal(entry.Answer, MachineCheck.Read(answer.WrittenSpan));
    }

    internal static List<byte[]> Pieces(KvMachine machine)
    {
        using IStateSnapshot snapshot = machine.TakeSnapshot();
        return Pieces(snapshot);
    }

    internal static List<byte[]> Pieces(IStateSnapshot snapshot)
    {
        List<byte[]> pieces = [];
        var piece = new ArrayBufferWriter<byte>();
        while (snapshot.WriteNext(piece))
        {
            pieces.Add(piece.WrittenSpan.ToArray());
            piece.ResetWrittenCount();
        }

        return pieces;
    }

    private static Exception? Failure(Action<IReadOnlyList<ModelCommand>> check, List<ModelCommand> commands)
    {
        try
        {
            check(commands);
            return null;
        }
        catch (Exception failure)
        {
            return failure;
        }
    }
}
