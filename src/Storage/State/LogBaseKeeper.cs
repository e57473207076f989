using System.Buffers;

using Microsoft.Extensions.Logging;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.Replication;
using Tidemark.Core.State;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Storage.State;

/// <summary>Remembers the state of a machine whose entries are kept for readers: the newest, to open quickly, and the base, which is the one before the first entry that is needed.</summary>
/// <remarks>
/// From the base the log leads to every later state, so it is what a replica gets that lacks what was trimmed; and a newest state that has rotted is made again from it. Where entries at the log's
/// beginning are needed no more, they are first applied to the base, in a machine of their own: each is read once more before it goes.
/// </remarks>
internal sealed class LogBaseKeeper : IStateKeeper
{
    private readonly IStateMachine _machine;
    private readonly SnapshotFolder _folder;
    private readonly Func<IStateMachine> _create;
    private readonly LogEngine _log;
    private readonly FilePool _pool;
    private readonly SnapshotKeeper _newest;
    private readonly long _patience;
    private long _movedTo;         // Before which entry the base was moved last: marks are no part of a state, so it may end earlier.
    private StateJob? _moving;

    private LogBaseKeeper(IStateMachine machine, SnapshotFolder folder, Func<IStateMachine> create, LogEngine log, FilePool pool, long minLogBytes)
    {
        (_machine, _folder, _create, _log, _pool, _patience) = (machine, folder, create, log, pool, minLogBytes);
        _newest = new SnapshotKeeper(machine, folder, minLogBytes);
    }

    /// <summary>Opens the states of a directory and brings a new machine to the newest.</summary>
    /// <param name="machine">The machine; one that <see cref="IKeepsLog"/>.</param>
    /// <param name="files">The disk.</param>
    /// <param name="directory">The directory.</param>
    /// <param name="identity">Whose states they are.</param>
    /// <param name="create">Makes another machine, without any entry.</param>
    /// <param name="log">The log, at its end.</param>
    /// <param name="pool">The pool that holds its files.</param>
    /// <param name="minLogBytes">How many bytes of entries are applied at least before the newest state is written down again.</param>
    /// <param name="logger">Where damage is reported, or null.</param>
    /// <exception cref="CorruptDataException">There is no whole state that the log goes on from.</exception>
    internal static LogBaseKeeper Open(
        IStateMachine machine, IFileSystem files, string directory, SnapshotIdentity identity, Func<IStateMachine> create, LogEngine log, FilePool pool, long minLogBytes, ILogger? logger = null)
    {
        var folder = SnapshotFolder.Open(files, directory, identity, logger);
        folder.Base = log.Start == 0 ? 0 : folder.List().Where(next => next >= log.Start).DefaultIfEmpty(0).Min();
        if (folder.Base == 0 && log.Start > 0) throw new CorruptDataException(directory, 0, $"a state at or behind entry {log.Start - 1}, where the log begins", "none");
        try
        {
            using SnapshotReader? newest = folder.OpenNewest();
            if (newest is not null) machine.Restore(newest.Pieces(), newest.Info.Position);
        }
        catch (CorruptDataException) when (log.Start == 0)
        {
            // Each was reported. The whole log is there, and gives the state again.
        }

        return new LogBaseKeeper(machine, folder, create, log, pool, minLogBytes);
    }

    public long NeededFrom => _folder.Base;

    public bool IsBehind => false;   // The log holds it all; only the disk's room is at stake.

    public StateJob? Begin(long logBytes, bool isClosing)
    {
        long start = ((IKeepsLog)_machine).LogStart;
        bool isMoved = start <= Math.Max(_folder.Base, _movedTo) || _log.Segments.StartAfterTrim(start) == _log.Start;   // Or nothing of the log could go.
        if (isMoved || isClosing) return _newest.Begin(logBytes, isClosing);
        return _moving = new StateJob(start - 1, _patience, pace => MoveBase(start, pace));
    }

    public IStateSnapshot TakeOffer() => Planted.Is(PlantedBug.NewestStateForBase) ? _machine.TakeSnapshot() : _folder.Base > 0 ? new FileSnapshot(_folder.OpenWhole(_folder.Base)) : _create().TakeSnapshot();

    /// <summary>Opens the base; null where the log goes back to the first entry. Only the ends of its file are read.</summary>
    /// <remarks>It stays readable while it is open, though a job may put another in its place meanwhile.</remarks>
    internal SnapshotReader? OpenBase()
    {
        while (true)
        {
            long next = _folder.Base;
            if (next == 0) return null;
            try
            {
                return _folder.Open(next);
            }
            catch (FileNotFoundException) when (_folder.Base != next)
            {
                // A job has put another in its place since.
            }
        }
    }

    public void End(StateJob job)
    {
        if (job != _moving) _newest.End(job);
        else if (job.Failure is null) _movedTo = job.Offset + 1;
    }

    public void Dispose() => _newest.Dispose();

    /// <summary>Applies to the base what comes before an entry.</summary>
    private void MoveBase(long start, Pace? pace)
    {
        IStateMachine machine = _create();
        using var disposal = machine as IDisposable;
        if (_folder.Base > 0)
        {
            using SnapshotReader reader = _folder.OpenWhole(_folder.Base);
            machine.Restore(reader.Pieces(), reader.Info.Position);
        }

        var answer = new ArrayBufferWriter<byte>();
        using (var entries = new LogReader(_log, _pool, static () => { }, _folder.Base))
        {
            while (entries.Next < start && entries.TryRead(out LogRecord entry))
            {
                answer.ResetWrittenCount();
                if (EntryKinds.IsMark(entry.Kind)) continue;
                machine.Apply(new StateEntry(new StatePosition(entry.Term, entry.Offset, entry.Timestamp), entry.Kind, entry.Payload), answer);
            }
        }

        using IStateSnapshot state = machine.TakeSnapshot();
        _folder.WriteBase(state, pace);
    }

    /// <summary>A state that is read from its file.</summary>
    private sealed class FileSnapshot(SnapshotReader reader) : IStateSnapshot
    {
        private readonly IEnumerator<ReadOnlyMemory<byte>> _pieces = reader.Pieces().GetEnumerator();

        public StatePosition Position => reader.Info.Position;

        public StateHash Hash => reader.Info.Hash;

        public bool WriteNext(IBufferWriter<byte> piece)
        {
            if (!_pieces.MoveNext()) return false;
            piece.Write(_pieces.Current.Span);
            return true;
        }

        public void Dispose()
        {
            _pieces.Dispose();
            reader.Dispose();
        }
    }
}
