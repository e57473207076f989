using Spectre.Console;

namespace Tidemark.Tool;

/// <summary>A progress bar on standard error, where that is a terminal; nothing otherwise.</summary>
internal static class Bar
{
    /// <summary>Runs work that counts shards.</summary>
    internal static Task<T> RunAsync<T>(string title, Func<IProgress<BackupProgress>?, Task<T>> work) => ShowAsync(title, work, (task, progress) =>
    {
        task.MaxValue = Math.Max(1, progress.ShardCount);
        task.Value = progress.ShardsDone;
        task.Description = $"{title}: {Text.Size(progress.Bytes)}";
    });

    /// <summary>Runs work that counts records.</summary>
    /// <param name="title">What it does.</param>
    /// <param name="totalBytes">The bytes it will have read at its end; null where nobody knows.</param>
    /// <param name="work">The work.</param>
    internal static Task<T> RunAsync<T>(string title, long? totalBytes, Func<IProgress<ExportProgress>?, Task<T>> work) => ShowAsync(title, work, (task, progress) =>
    {
        task.IsIndeterminate = totalBytes is null;
        if (totalBytes is { } total) (task.MaxValue, task.Value) = (Math.Max(1, total), progress.Bytes);
        task.Description = $"{title}: {progress.Records:N0} records, {Text.Size(progress.Bytes)}";
    });

    private static Task<T> ShowAsync<T, TProgress>(string title, Func<IProgress<TProgress>?, Task<T>> work, Action<ProgressTask, TProgress> show)
    {
        if (Console.IsErrorRedirected) return work(null);
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(true).StartAsync(context =>
        {
            ProgressTask task = context.AddTask(title);
            return work(new Direct<TProgress>(progress => show(task, progress)));
        });
    }

    /// <summary>Reports on the thread that does the work: <see cref="Progress{T}"/> would let reports overtake each other.</summary>
    private sealed class Direct<TProgress>(Action<TProgress> act) : IProgress<TProgress>
    {
        public void Report(TProgress value) => act(value);
    }
}
