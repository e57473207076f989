using System.Buffers;
using System.Text;

namespace Tidemark.Tests.Rebase;

/// <summary>Arguments of the mutators that the tests use: what each is about, and a number of its own that tells how often it took effect.</summary>
internal abstract record TaskArguments(string Key, int Tag);

internal sealed record PutTask(string Key, int Tag) : TaskArguments(Key, Tag);

internal sealed record AppendTask(string Key, int Tag) : TaskArguments(Key, Tag);

internal sealed record ClaimTask(string Key, int Tag) : TaskArguments(Key, Tag);

internal sealed record DropTask(string Key, int Tag) : TaskArguments(Key, Tag);

internal sealed record SumTasks(string Key, int Tag) : TaskArguments(Key, Tag);

internal sealed record PoisonTask(string Key, int Tag) : TaskArguments(Key, Tag);

internal sealed record LaterTask(string Key, int Tag) : TaskArguments(Key, Tag);

internal sealed record FickleTask(string Key, int Tag) : TaskArguments(Key, Tag);

internal sealed record EditTask(string Key, int Tag) : TaskArguments(Key, Tag);

/// <summary>Mutators that write blindly, read what they change, reject, scan, throw on one side only, or are not known there yet, or not in their newest version.</summary>
internal static class TaskMutators
{
    /// <summary>Those of a client.</summary>
    internal static Mutators Client { get; } = Common(isServer: false).Add("later", 1, Serializer<LaterTask>(), Write);

    /// <summary>Those of a client whose program was replaced by a newer one; what the older has called may be pending still.</summary>
    internal static Mutators NewClient { get; } = Client.Add("edit", 2, Serializer<EditTask>(), Edit);

    /// <summary>Those of a server that is older than its clients.</summary>
    internal static Mutators OldServer { get; } = Common(isServer: true);

    /// <summary>Those of a server that knows what its clients know, and writes something else.</summary>
    internal static Mutators NewServer { get; } = Common(isServer: true).Add<LaterTask>("later", 1, Serializer<LaterTask>(), static (context, task) =>
    {
        Count(context, task);
        context.Put(task.Key, Encoding.UTF8.GetBytes($"newer {task.Tag}"));
    }).Add("edit", 2, Serializer<EditTask>(), Edit);

    /// <summary>Where what took effect counts itself.</summary>
    internal static string TagKey(int tag) => $"/tag/{tag}";

    private static Mutators Common(bool isServer) => Mutators.Empty
        .Add("put", 1, Serializer<PutTask>(), Write)
        .Add("edit", 1, Serializer<EditTask>(), Write)
        .Add("append", 1, Serializer<AppendTask>(), static (context, task) =>
        {
            Count(context, task);
            string before = context.TryGet(task.Key, out ReadOnlyMemory<byte> value) ? Encoding.UTF8.GetString(value.Span) : "";
            context.Put(task.Key, Encoding.UTF8.GetBytes($"{before}+{task.Tag}"));
        })
        .Add("claim", 1, Serializer<ClaimTask>(), static (context, task) =>
        {
            if (context.Exists(task.Key)) context.Reject("taken", task.Key);
            Write(context, task);
        })
        .Add("drop", 1, Serializer<DropTask>(), static (context, task) =>
        {
            Count(context, task);
            context.Delete(task.Key);
        })
        .Add("sum", 1, Serializer<SumTasks>(), static (context, task) =>
        {
            Count(context, task);
            int count = context.Scan(KeyRange.Children("/task")).Count();
            context.Put("/sum", Encoding.UTF8.GetBytes($"{count} {context.NextRandom() % 10} {context.NewId():N}"));
        })
        .Add<PoisonTask>("poison", 1, Serializer<PoisonTask>(), (context, task) =>
        {
            if (isServer) throw new InvalidOperationException("The server does not bear this one.");
            Write(context, task);
        })
        .Add<FickleTask>("fickle", 1, Serializer<FickleTask>(), (context, task) =>
        {
            if (!isServer && context.Exists("/trouble")) throw new InvalidOperationException("The client does not bear this one now.");
            Write(context, task);
        });

    private static void Write(MutationContext context, TaskArguments task)
    {
        Count(context, task);
        context.Put(task.Key, Encoding.UTF8.GetBytes($"{task.Tag}"));
    }

    private static void Edit(MutationContext context, TaskArguments task)
    {
        Count(context, task);
        context.Put(task.Key, Encoding.UTF8.GetBytes($"edited {task.Tag}"));
    }

    private static void Count(MutationContext context, TaskArguments task)
    {
        byte count = context.TryGet(TagKey(task.Tag), out ReadOnlyMemory<byte> value) ? value.Span[0] : (byte)0;
        context.Put(TagKey(task.Tag), [(byte)(count + 1)]);
    }

    private static TextSerializer<T> Serializer<T>()
        where T : TaskArguments => new();

    private sealed class TextSerializer<T> : IValueSerializer<T>
        where T : TaskArguments
    {
        public void Serialize(T value, IBufferWriter<byte> output) => output.Write(Encoding.UTF8.GetBytes($"{value.Tag} {value.Key}"));

        public T Deserialize(ReadOnlySpan<byte> bytes)
        {
            string[] parts = Encoding.UTF8.GetString(bytes).Split(' ', 2);
            return (T)Activator.CreateInstance(typeof(T), parts[1], int.Parse(parts[0]))!;
        }
    }
}
