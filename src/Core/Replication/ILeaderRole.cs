namespace Tidemark.Core.Replication;

/// <summary>What a shard's leader does besides answering requests: it watches the time and proposes what is due.</summary>
/// <remarks>Not thread-safe. Time is an argument.</remarks>
internal interface ILeaderRole
{
    /// <summary>When there will be something to propose if nothing else happens, in UTC ticks; <see cref="long.MaxValue"/> for never.</summary>
    long NextDue { get; }

    /// <summary>A command is to have a place in the log: decides what can be decided only in that order.</summary>
    /// <param name="offset">The place. All before it are there, or will be.</param>
    /// <param name="kind">What the entry is.</param>
    /// <param name="payload">The entry: the command's bytes, in which it may write, or others in their place.</param>
    void Admit(long offset, ref ushort kind, ref ReadOnlyMemory<byte> payload)
    {
    }

    /// <summary>The command that was admitted last got no place.</summary>
    void Withdraw(long offset)
    {
    }

    /// <summary>Behind which entry it waits for a mark; -1 for none.</summary>
    long MarkWanted => -1;

    /// <summary>A majority of the replicas has the same state behind a mark.</summary>
    void Agreed(in StatePosition mark, in StateHash hash)
    {
    }

    /// <summary>How many bytes of entries came since the log was cut, and how long the state was when it was written down last.</summary>
    void Weigh(long logBytes, long stateBytes)
    {
    }

    /// <summary>Gives the commands that are due.</summary>
    void Tick(DateTimeOffset now, List<(ushort Kind, byte[] Payload)> proposals);

    /// <summary>A command that <see cref="Tick"/> gave has been applied, or could not be appended and is given again later.</summary>
    void Ended(ushort kind, bool isApplied, DateTimeOffset now);
}
