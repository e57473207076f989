using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;

using Tidemark.Core.MessagePack;

namespace Tidemark;

/// <summary>A place between two changes of a namespace: for each shard the last entry that was seen, and how much of it.</summary>
/// <remarks>Keep it, as text or as it is, and give it to a later watch, also after the store was reopened.</remarks>
public sealed class WatchToken : IParsable<WatchToken>, IEquatable<WatchToken>
{
    private readonly SortedDictionary<long, WatchPlace> _places;   // By shard.

    internal WatchToken(IDictionary<long, WatchPlace> places) => _places = new SortedDictionary<long, WatchPlace>(places);

    /// <summary>Reads the text form.</summary>
    /// <exception cref="FormatException">The text is none.</exception>
    public static WatchToken Parse(string s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out WatchToken? token) ? token : throw new FormatException("The text is no watch token.");

    /// <summary>Reads the text form.</summary>
    /// <returns>False where the text is none.</returns>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, [MaybeNullWhen(false)] out WatchToken result)
    {
        result = null;
        if (s is null || !Base64Url.IsValid(s)) return false;
        try
        {
            var reader = new MessagePackReader(Base64Url.DecodeFromChars(s));
            var places = new Dictionary<long, WatchPlace>();
            int shards = reader.ReadArrayHeader();
            for (; shards > 0; shards--)
            {
                if (reader.ReadArrayHeader() != 3) return false;
                if (!places.TryAdd(reader.ReadInt64(), new WatchPlace(reader.ReadInt64(), reader.ReadInt32()))) return false;
            }

            reader.ReadEnd();
            result = new WatchToken(places);
            return true;
        }
        catch (MalformedDataException)
        {
            return false;
        }
    }

    /// <summary>The text form: letters, digits, '-' and '_'.</summary>
    public override string ToString()
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(_places.Count);
        foreach ((long shard, WatchPlace place) in _places)
        {
            writer.WriteArrayHeader(3);
            writer.Write(shard);
            writer.Write(place.Offset);
            writer.Write((long)place.Seen);
        }

        writer.Flush();
        return Base64Url.EncodeToString(output.WrittenSpan);
    }

    /// <inheritdoc/>
    public bool Equals(WatchToken? other) => other is not null && _places.SequenceEqual(other._places);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as WatchToken);

    /// <inheritdoc/>
    public override int GetHashCode() => _places.Count == 0 ? 0 : (int)_places.Values.Last().Offset;

    /// <summary>The place in a shard; null for a shard the token does not know.</summary>
    internal WatchPlace? PlaceOf(long shard) => _places.TryGetValue(shard, out WatchPlace place) ? place : null;
}

/// <summary>A place in the changes of one shard.</summary>
/// <param name="Offset">The entry seen last.</param>
/// <param name="Seen">How many of its changes were seen.</param>
internal readonly record struct WatchPlace(long Offset, int Seen)
{
    /// <summary>All changes of the entry were seen.</summary>
    internal const int All = int.MaxValue;
}
