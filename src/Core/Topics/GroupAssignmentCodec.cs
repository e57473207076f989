using System.Buffers;
using System.Collections.Immutable;

using Tidemark.Core.MessagePack;

namespace Tidemark.Core.Topics;

/// <summary>An assignment as bytes: the members it names, then for each partition its owner and heir as places among them (-1 for none), and its version. Format: docs/consumers.md.</summary>
internal static class GroupAssignmentCodec
{
    private const int IdBytes = 16;
    private const int Fields = 3;

    internal static byte[] Write(GroupAssignment assignment)
    {
        Guid[] members = [.. assignment.Partitions.SelectMany(partition => new[] { partition.Owner, partition.Heir }).OfType<Guid>().Distinct().Order()];
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(2);
        writer.WriteArrayHeader(members.Length);
        Span<byte> id = stackalloc byte[IdBytes];
        foreach (Guid member in members)
        {
            member.TryWriteBytes(id, bigEndian: true, out _);
            writer.Write(id);
        }

        writer.WriteArrayHeader(Fields * assignment.Partitions.Length);
        foreach (PartitionOwner partition in assignment.Partitions)
        {
            writer.Write((long)PlaceOf(partition.Owner));
            writer.Write((long)PlaceOf(partition.Heir));
            writer.Write(partition.Version);
        }

        writer.Flush();
        return output.WrittenSpan.ToArray();

        int PlaceOf(Guid? member) => member is { } known ? Array.BinarySearch(members, known) : -1;
    }

    /// <exception cref="MalformedDataException">It is none.</exception>
    internal static GroupAssignment Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        if (reader.ReadArrayHeader() != 2) throw new MalformedDataException(reader.Consumed, "an assignment has members and partitions");
        var members = new Guid[reader.ReadArrayHeader()];
        foreach (ref Guid member in members.AsSpan())
        {
            ReadOnlySpan<byte> id = reader.ReadBytes();
            if (id.Length != IdBytes) throw new MalformedDataException(reader.Consumed, $"an id has {IdBytes} bytes");
            member = new Guid(id, bigEndian: true);
        }

        int numbers = reader.ReadArrayHeader();
        if (numbers % Fields != 0) throw new MalformedDataException(reader.Consumed, $"a partition has {Fields} numbers");
        var partitions = ImmutableArray.CreateBuilder<PartitionOwner>(numbers / Fields);
        for (int i = 0; i < numbers; i += Fields) partitions.Add(new PartitionOwner(ReadMember(ref reader, members), ReadMember(ref reader, members), reader.ReadInt64()));
        reader.ReadEnd();
        return new GroupAssignment(partitions.MoveToImmutable());
    }

    private static Guid? ReadMember(ref MessagePackReader reader, Guid[] members)
    {
        int place = reader.ReadInt32();
        if (place < -1 || place >= members.Length) throw new MalformedDataException(reader.Consumed, "an owner is one of the members");
        return place < 0 ? null : members[place];
    }
}
