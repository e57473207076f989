namespace Tidemark.Replication.Nodes;

/// <summary>The thread that takes a node's own turns: its coordinator, and what other nodes say to it.</summary>
internal sealed class NodeLoop
{
    private readonly object _gate = new();   // Waited on, so not a Lock.
    private readonly NodeHost _node;
    private readonly SteadyTime _time;
    private readonly Action<Exception?> _turned;
    private readonly Thread _thread;
    private bool _isWoken;
    private bool _isStopped;

    /// <param name="node">The node.</param>
    /// <param name="time">The time of its timers.</param>
    /// <param name="turned">Called after each turn, with what it failed with.</param>
    internal NodeLoop(NodeHost node, SteadyTime time, Action<Exception?> turned)
    {
        (_node, _time, _turned) = (node, time, turned);
        node.Wake = Wake;
        _thread = new Thread(Run) { IsBackground = true, Name = FormattableString.Invariant($"Tidemark node {node.Node}") };
        _thread.Start();
    }

    /// <summary>Ends the thread, and waits for its end.</summary>
    internal void Stop()
    {
        lock (_gate)
        {
            _isStopped = true;
            Monitor.Pulse(_gate);
        }

        _thread.Join();
    }

    private void Wake()
    {
        lock (_gate)
        {
            _isWoken = true;
            Monitor.Pulse(_gate);
        }
    }

    private void Run()
    {
        while (WaitForWork())
        {
            try
            {
                _node.Turn(_time.Now);
                _turned(null);
            }
            catch (Exception e)
            {
                _turned(e);   // The run is over: whoever drives it begins another.
            }
        }
    }

    private bool WaitForWork()
    {
        lock (_gate)
        {
            while (!_isStopped && !_isWoken && !_node.HasWork)
            {
                TimeSpan wait = _node.NextDue - _time.Now;
                if (wait <= TimeSpan.Zero) break;
                Monitor.Wait(_gate, wait < TimeSpan.FromSeconds(1) ? wait : TimeSpan.FromSeconds(1));
            }

            _isWoken = false;
            return !_isStopped;
        }
    }
}
