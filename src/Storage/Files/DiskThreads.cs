using System.Globalization;

namespace Tidemark.Storage.Files;

/// <summary>Threads that work on the disk: one is started where the others are busy, up to a number.</summary>
/// <remarks>Threads of our own, because a disk blocks: a slow one must not take the thread pool with it.</remarks>
/// <param name="name">What they do.</param>
/// <param name="most">How many there may be.</param>
internal sealed class DiskThreads(string name, int most)
{
    private readonly object _gate = new();   // Waited on, so not a Lock.
    private readonly Queue<IDiskWork> _waiting = new();
    private readonly List<Thread> _threads = [];
    private int _resting;
    private bool _isStopped;

    internal void Enqueue(IDiskWork work)
    {
        lock (_gate)
        {
            _waiting.Enqueue(work);
            if (_resting > 0)
            {
                _resting--;   // Counted off here, so that what comes next wakes another thread and not this one again.
                Monitor.Pulse(_gate);
                return;
            }

            if (_threads.Count >= most) return;
            var thread = new Thread(Run) { IsBackground = true, Name = $"Tidemark {name} {_threads.Count.ToString(CultureInfo.InvariantCulture)}" };
            _threads.Add(thread);
            thread.Start();
        }
    }

    /// <summary>Ends the threads once their queue is empty, and waits for them.</summary>
    internal void Stop()
    {
        lock (_gate)
        {
            _isStopped = true;
            Monitor.PulseAll(_gate);
        }

        foreach (Thread thread in _threads)
        {
            if (thread != Thread.CurrentThread) thread.Join();
        }
    }

    private void Run()
    {
        while (TryDequeue(out IDiskWork? work)) work.Run();
    }

    private bool TryDequeue([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IDiskWork? work)
    {
        lock (_gate)
        {
            while (!_waiting.TryDequeue(out work))
            {
                if (_isStopped) return false;
                _resting++;
                Monitor.Wait(_gate);
            }

            return true;
        }
    }
}

/// <summary>What a disk thread runs.</summary>
internal interface IDiskWork
{
    void Run();
}
