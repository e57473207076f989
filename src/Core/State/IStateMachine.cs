using System.Buffers;

namespace Tidemark;

/// <summary>What a shard keeps: a state that its committed log entries change one after another, and nothing else does.</summary>
/// <remarks>
/// One thread at a time calls it. The same entries in the same order must give the same state, the same answers and the same hash everywhere:
/// a machine looks at no clock, no chance, no file and no setting that is not in an entry.
/// </remarks>
public interface IStateMachine
{
    /// <summary>The entry applied last.</summary>
    StatePosition Position { get; }

    /// <summary>A hash over all of the state that entries brought about.</summary>
    StateHash Hash { get; }

    /// <summary>Applies the next committed entry and writes its answer.</summary>
    /// <param name="entry">The entry. Its offset is above the last applied; what lies between is the shard's own.</param>
    /// <param name="answer">Gets the bytes that whoever proposed the entry is answered with; may stay empty.</param>
    /// <remarks>What an entry asks for and may not have is an answer. An exception stops the replica: it is never skipped.</remarks>
    void Apply(in StateEntry entry, IBufferWriter<byte> answer);

    /// <summary>Answers a question about the state, and changes nothing.</summary>
    /// <param name="request">The question, in the machine's own format.</param>
    /// <param name="answer">Gets the answer.</param>
    /// <exception cref="MalformedDataException">The request is not in the machine's format.</exception>
    void Query(ReadOnlySpan<byte> request, IBufferWriter<byte> answer);

    /// <summary>The state at this moment, for a file or for another replica. Entries may be applied while it is read, by another thread too.</summary>
    IStateSnapshot TakeSnapshot();

    /// <summary>Replaces the state with that of a snapshot.</summary>
    /// <param name="pieces">The snapshot's pieces in the order they were written in.</param>
    /// <param name="position">The snapshot's position.</param>
    /// <exception cref="MalformedDataException">The pieces are no snapshot of this machine. The state is undefined then.</exception>
    void Restore(IEnumerable<ReadOnlyMemory<byte>> pieces, StatePosition position);
}

/// <summary>A committed entry, as a state machine sees it.</summary>
/// <param name="Position">Where it stands in the log.</param>
/// <param name="Kind">What the payload is, in the machine's own numbers.</param>
/// <param name="Payload">The bytes. Valid during the call.</param>
public readonly record struct StateEntry(StatePosition Position, ushort Kind, ReadOnlyMemory<byte> Payload);

/// <summary>A state at one moment, read piece by piece.</summary>
public interface IStateSnapshot : IDisposable
{
    /// <summary>The entry that was applied last.</summary>
    StatePosition Position { get; }

    /// <summary>The machine's hash there.</summary>
    StateHash Hash { get; }

    /// <summary>Writes the next piece, up to about a megabyte.</summary>
    /// <returns>False, with nothing written, behind the last.</returns>
    bool WriteNext(IBufferWriter<byte> piece);
}
