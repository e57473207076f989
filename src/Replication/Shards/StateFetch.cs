using Tidemark.Core.Replication;

namespace Tidemark.Replication.Shards;

/// <summary>A state that this replica takes from its leader, part after part.</summary>
/// <remarks>A part that does not come is asked for again; a new leader, or another offer, begins anew. What is there answers for the replica until all of it is here and checked.</remarks>
internal sealed class StateFetch(int leader, Install install) : IDisposable
{
    private IIncomingState? _incoming;

    internal int Leader => leader;

    internal Install Install => install;

    /// <summary>The part that is waited for.</summary>
    internal long Next { get; private set; }

    /// <summary>What came of it, once all parts are here.</summary>
    internal ShardState? State { get; private set; }

    internal bool IsOf(int node, Install offer) => node == leader && offer.Term == install.Term && offer.Last == install.Last;

    internal StateRequest Request => new(install.Term, install.Last, Next);

    /// <summary>Disk: takes a part.</summary>
    /// <returns>Whether it was the one that was waited for.</returns>
    /// <exception cref="CorruptDataException">It was the last, and the state is not the one that was announced.</exception>
    internal bool Take(StatePart part, ReadOnlySpan<byte> bytes, IReplicaDisk disk)
    {
        if (part.Last != install.Last || part.Part != Next || State is not null) return false;
        _incoming ??= disk.BeginGeneration(part.Position, part.Hash);
        Next++;
        if (part.IsEnd) State = _incoming.Complete();
        else _incoming.Add(bytes);
        return true;
    }

    public void Dispose()
    {
        _incoming?.Dispose();
        State?.Log.Close();
        State?.Keeper.Dispose();
        State = null;
    }

    /// <summary>Whoever takes the state disposes of it.</summary>
    internal ShardState TakeState()
    {
        ShardState state = State!;
        State = null;
        return state;
    }
}
