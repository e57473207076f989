using Microsoft.Extensions.Logging;

using Tidemark.Storage.Snapshots;

namespace Tidemark.Storage.State;

/// <summary>Remembers a state that lives in memory in snapshot files: written when as much log has gathered as the last file was long, and no less than a minimum.</summary>
/// <remarks>So what is written for snapshots is at most about what is written to the log, and opening replays at most about a snapshot's worth.</remarks>
internal sealed class SnapshotKeeper(IStateMachine machine, SnapshotFolder folder, long minLogBytes) : IStateKeeper
{
    private long _lastBytes;
    private bool _isOwed;   // One failed: it is tried again however little has gathered since.

    /// <summary>Opens the snapshots of a directory and brings a new machine to the newest.</summary>
    internal static SnapshotKeeper Open(IStateMachine machine, IFileSystem files, string directory, SnapshotIdentity identity, long minLogBytes, ILogger? logger = null)
    {
        var folder = SnapshotFolder.Open(files, directory, identity, logger);
        using (SnapshotReader? newest = folder.OpenNewest())
        {
            if (newest is not null) machine.Restore(newest.Pieces(), newest.Info.Position);
        }

        return new SnapshotKeeper(machine, folder, minLogBytes);
    }

    public long NeededFrom => folder.LogNeededFrom;

    public long StateBytes => Volatile.Read(ref _lastBytes);

    public bool IsBehind => false;   // The log holds it all; only the disk's room is at stake.

    public StateJob? Begin(long logBytes, bool isClosing)
    {
        long patience = Math.Max(minLogBytes, StateBytes);
        if (isClosing || (!_isOwed && logBytes < patience)) return null;
        IStateSnapshot state = machine.TakeSnapshot();
        return new StateJob(state.Position.Offset, patience, pace =>
        {
            using (state) Volatile.Write(ref _lastBytes, folder.Write(state, pace).Bytes);
        });
    }

    public IStateSnapshot TakeOffer() => machine.TakeSnapshot();

    public void End(StateJob job) => _isOwed = job.Failure is not null;

    public void Dispose() => (machine as IDisposable)?.Dispose();
}
