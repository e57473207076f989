using System.Threading.Tasks.Sources;

namespace Tidemark.Bench;

/// <summary>The floor under every durable log: appends are copied to a pre-zeroed file, one flush serves all that wait, and nothing else is done.</summary>
/// <remarks>No record format, checksum, index, roll, recovery or error handling. One writer writes and flushes on its own thread: no hand-off at all.</remarks>
internal sealed class BareLog : IDisposable
{
    private readonly IFile _file;
    private readonly long _fileBytes;
    private readonly Thread _flusher;
    private readonly object _gate = new();
    private byte[] _filling, _writing;
    private List<Waiter> _waiting = [];
    private List<Waiter> _answering = [];
    private int _filled;
    private long _position;
    private bool _isStopped;

    /// <param name="path">Its file.</param>
    /// <param name="bufferBytes">The most that may wait at once.</param>
    /// <param name="fileBytes">The file's length; at its end it begins anew.</param>
    internal BareLog(string path, int bufferBytes = 1024 * 1024, long fileBytes = 256L * 1024 * 1024)
    {
        _fileBytes = fileBytes;
        (_filling, _writing) = (new byte[bufferBytes], new byte[bufferBytes]);
        DiskFileSystem.Instance.Delete(path);
        _file = DiskFileSystem.Instance.Open(path, FileOpenMode.New);
        byte[] zeros = new byte[1024 * 1024];
        for (long at = 0; at < fileBytes; at += zeros.Length) _file.Write(at, zeros);
        _file.Flush();
        _flusher = new Thread(Run) { IsBackground = true };
        _flusher.Start();
    }

    /// <summary>Writes and flushes on the caller's thread.</summary>
    internal void AppendAlone(ReadOnlySpan<byte> payload)
    {
        if (_position + payload.Length > _fileBytes) _position = 0;
        _file.Write(_position, payload);
        _file.Flush();
        _position += payload.Length;
    }

    /// <summary>Copies to the shared buffer and completes with the flush that covers it.</summary>
    internal ValueTask AppendAsync(Waiter waiter, ReadOnlySpan<byte> payload)
    {
        lock (_gate)
        {
            payload.CopyTo(_filling.AsSpan(_filled));
            _filled += payload.Length;
            _waiting.Add(waiter);
            if (_waiting.Count == 1) Monitor.Pulse(_gate);
            return waiter.Start();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isStopped = true;
            Monitor.Pulse(_gate);
        }

        _flusher.Join();
        _file.Dispose();
    }

    private void Run()
    {
        while (true)
        {
            int length;
            lock (_gate)
            {
                while (_waiting.Count == 0)
                {
                    if (_isStopped) return;
                    Monitor.Wait(_gate);
                }
            }

            Thread.Yield();   // Writers that were answered together come back together: a moment later there are more of them.
            lock (_gate)
            {

                (_filling, _writing) = (_writing, _filling);
                (_waiting, _answering) = (_answering, _waiting);
                length = _filled;
                _filled = 0;
            }

            AppendAlone(_writing.AsSpan(0, length));
            foreach (Waiter waiter in _answering) waiter.Finish();
            _answering.Clear();
        }
    }

    internal sealed class Waiter : IValueTaskSource
    {
        private ManualResetValueTaskSourceCore<bool> _core = new() { RunContinuationsAsynchronously = true };

        internal ValueTask Start()
        {
            _core.Reset();
            return new ValueTask(this, _core.Version);
        }

        internal void Finish() => _core.SetResult(true);

        void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
