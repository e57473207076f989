namespace Tidemark.Core.Replication;

/// <summary>What a shard's leader does besides answering requests: it watches the time and proposes what is due.</summary>
/// <remarks>Not thread-safe. Time is an argument.</remarks>
internal interface ILeaderRole
{
    /// <summary>When there will be something to propose if nothing else happens, in UTC ticks; <see cref="long.MaxValue"/> for never.</summary>
    long NextDue { get; }

    /// <summary>Gives the commands that are due.</summary>
    void Tick(DateTimeOffset now, List<(ushort Kind, byte[] Payload)> proposals);

    /// <summary>A command that <see cref="Tick"/> gave has been applied, or could not be appended and is given again later.</summary>
    void Ended(ushort kind, bool isApplied, DateTimeOffset now);
}
