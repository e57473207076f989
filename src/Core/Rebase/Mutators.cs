using System.Buffers;
using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using System.Text;

using Tidemark.Core.Rebase;

namespace Tidemark;

/// <summary>The mutators that a program knows: functions with a name and a version, each with its own type of arguments.</summary>
/// <remarks>Immutable: <see cref="Add"/> gives another set. Clients and servers register the same names and versions; what a mutator must keep to stands in docs/rebase.md.</remarks>
public sealed class Mutators
{
    private readonly FrozenDictionary<(string Name, int Version), Mutator> _byName;
    private readonly FrozenDictionary<Type, Mutator> _newest;   // By the type of its arguments.

    private Mutators(IEnumerable<Mutator> all)
    {
        Mutator[] mutators = [.. all];
        _byName = mutators.ToFrozenDictionary(mutator => (mutator.Name, mutator.Version));
        _newest = mutators.GroupBy(mutator => mutator.ArgumentType).ToFrozenDictionary(group => group.Key, group => group.MaxBy(mutator => mutator.Version)!);
    }

    /// <summary>None.</summary>
    public static Mutators Empty { get; } = new([]);

    /// <summary>These, and one more.</summary>
    /// <typeparam name="TArguments">Its arguments. All versions with this type have one name; a call runs the highest.</typeparam>
    /// <param name="name">1 to 128 bytes of UTF-8.</param>
    /// <param name="version">1 or more.</param>
    /// <param name="serializer">Turns arguments into bytes, and bytes of that version back, for as long as timelines may hold them.</param>
    /// <param name="mutator">What it does.</param>
    /// <exception cref="ArgumentException">There is one of that name and version, or the type of the arguments belongs to another name.</exception>
    public Mutators Add<TArguments>(string name, int version, IValueSerializer<TArguments> serializer, Action<MutationContext, TArguments> mutator)
        where TArguments : notnull
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfLessThan(version, 1);
        ArgumentNullException.ThrowIfNull(serializer);
        ArgumentNullException.ThrowIfNull(mutator);
        if (Encoding.UTF8.GetByteCount(name) > TimelineEntry.MaxNameBytes) throw new ArgumentException($"A mutator's name has at most {TimelineEntry.MaxNameBytes} bytes of UTF-8.", nameof(name));
        if (_byName.ContainsKey((name, version))) throw new ArgumentException($"There is a mutator '{name}' of version {version} already.", nameof(name));
        if (_newest.TryGetValue(typeof(TArguments), out Mutator? other) && other.Name != name)
            throw new ArgumentException($"{typeof(TArguments).Name} holds the arguments of '{other.Name}'. Give '{name}' a type of its own, so that a call says which is meant.", nameof(name));
        return new Mutators(_byName.Values.Append(new Mutator<TArguments>(name, version, serializer, mutator)));
    }

    /// <summary>The mutator of a name and version.</summary>
    internal bool TryFind(string name, int version, [NotNullWhen(true)] out Mutator? mutator) => _byName.TryGetValue((name, version), out mutator);

    /// <summary>The mutator that a call with arguments of a type means.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    internal Mutator<TArguments> Find<TArguments>()
        where TArguments : notnull =>
        _newest.TryGetValue(typeof(TArguments), out Mutator? mutator)
            ? (Mutator<TArguments>)mutator
            : throw new ArgumentException($"No mutator takes {typeof(TArguments).Name}. Add it to the mutators that the store is opened with.");
}

/// <summary>A registered function.</summary>
internal abstract class Mutator(string name, int version)
{
    internal string Name => name;

    internal int Version => version;

    internal abstract Type ArgumentType { get; }

    /// <exception cref="MutationRejectedException">It may not be.</exception>
    /// <exception cref="MalformedDataException">The bytes are no such arguments.</exception>
    internal abstract void Run(MutationContext context, ReadOnlySpan<byte> arguments);
}

/// <inheritdoc/>
internal sealed class Mutator<TArguments>(string name, int version, IValueSerializer<TArguments> serializer, Action<MutationContext, TArguments> body) : Mutator(name, version)
{
    internal override Type ArgumentType => typeof(TArguments);

    internal void Write(TArguments arguments, IBufferWriter<byte> output) => serializer.Serialize(arguments, output);

    internal override void Run(MutationContext context, ReadOnlySpan<byte> arguments) => body(context, serializer.Deserialize(arguments));
}
