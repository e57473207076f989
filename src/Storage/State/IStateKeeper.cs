using Tidemark.Storage.Files;

namespace Tidemark.Storage.State;

/// <summary>Remembers a shard's state outside its log, so that the log need not be kept for ever.</summary>
/// <remarks>The shard's thread calls it; what blocks on a disk is a job that another thread may run meanwhile, one at a time.</remarks>
internal interface IStateKeeper : IDisposable
{
    /// <summary>The first offset of the log that opening the shard may still need.</summary>
    long NeededFrom { get; }

    /// <summary>Whether so much waits to be remembered that the shard should take no more before it has been.</summary>
    bool IsBehind { get; }

    /// <summary>How long the state was when it was written down last; 0 where it never was as a whole.</summary>
    long StateBytes => 0;

    /// <summary>Decides whether it is time to remember.</summary>
    /// <param name="logBytes">How many bytes of log have been applied since the state was remembered last.</param>
    /// <param name="isClosing">Whether the shard ends: what would make its next opening quicker is done now.</param>
    /// <returns>What to do on the disk, or null.</returns>
    StateJob? Begin(long logBytes, bool isClosing);

    /// <summary>The state that a replica is given which lacks what the log does not have any more. With the log from there on it has everything.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    IStateSnapshot TakeOffer();

    /// <summary>Takes note of how a job went.</summary>
    void End(StateJob job);
}

/// <summary>Work on a disk that remembers a state up to an offset.</summary>
/// <param name="offset">The last entry whose effects are remembered once it is done.</param>
/// <param name="patience">How many bytes of entries may be applied until somebody waits for it.</param>
/// <param name="work">The work. It may rest meanwhile, where it is given a pace.</param>
internal sealed class StateJob(long offset, long patience, Action<Pace?> work)
{
    internal long Offset => offset;

    internal long Patience => patience;

    /// <summary>Why it was not done, or null.</summary>
    internal Exception? Failure { get; private set; }

    internal void Run(Pace? pace)
    {
        try
        {
            work(pace);
        }
        catch (Exception e)
        {
            Failure = e;
        }
    }
}
