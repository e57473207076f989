using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Tidemark;

/// <summary>Which keys a scan, a list or a range delete is about. What it holds depends on the <see cref="KeyOrder"/> it is used in.</summary>
/// <remarks>Immutable. Keys given as bytes are copied; keys given as text are taken as UTF-8.</remarks>
public sealed class KeyRange
{
    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private KeyRange(KeyRangeKind kind, byte[] start, byte[] end)
    {
        Kind = kind;
        Start = start;
        End = end;
    }

    /// <summary>Every key.</summary>
    public static KeyRange All { get; } = new(KeyRangeKind.Between, [], []);

    internal KeyRangeKind Kind { get; }

    /// <summary>The first key, the prefix, or the parent.</summary>
    internal ReadOnlyMemory<byte> Start { get; }

    /// <summary>The key after the last. Empty for no bound, and for other kinds.</summary>
    internal ReadOnlyMemory<byte> End { get; }

    /// <summary>The keys from <paramref name="start"/> up to, not including, <paramref name="end"/>. An empty bound is none.</summary>
    /// <remarks>A range whose end does not lie above its start holds nothing.</remarks>
    public static KeyRange Between(ReadOnlySpan<byte> start, ReadOnlySpan<byte> end) => new(KeyRangeKind.Between, start.ToArray(), end.ToArray());

    /// <inheritdoc cref="Between(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>
    public static KeyRange Between(string start, string end) => new(KeyRangeKind.Between, Utf8(start), Utf8(end));

    /// <summary>The keys that begin with the prefix; in hierarchical order only those with no further '/', and none that ends in "//".</summary>
    /// <remarks>
    /// In hierarchical order keys of different depth never lie together, so a range holds one level: <c>Prefix("/users/al")</c> holds
    /// <c>/users/alice</c> but not <c>/users/alice/mail</c>. An empty prefix holds every key in natural order, and those without '/' in hierarchical order.
    /// </remarks>
    public static KeyRange Prefix(ReadOnlySpan<byte> prefix) => new(KeyRangeKind.Prefix, prefix.ToArray(), []);

    /// <inheritdoc cref="Prefix(ReadOnlySpan{byte})"/>
    public static KeyRange Prefix(string prefix) => new(KeyRangeKind.Prefix, Utf8(prefix), []);

    /// <summary>The direct children of a key: <paramref name="parent"/> + "/" + a name without '/'. Hierarchical order only.</summary>
    /// <remarks>
    /// The name may be empty, and the parent may be any key, whether it exists or not: the children of "" are <c>/a</c>, <c>/b</c>, those of "/a/" are <c>/a//b</c>.
    /// A key that ends in "//" is nobody's child. Where this is used with natural order, the call that uses it throws <see cref="ArgumentException"/>.
    /// </remarks>
    public static KeyRange Children(ReadOnlySpan<byte> parent) => new(KeyRangeKind.Children, parent.ToArray(), []);

    /// <inheritdoc cref="Children(ReadOnlySpan{byte})"/>
    public static KeyRange Children(string parent) => new(KeyRangeKind.Children, Utf8(parent), []);

    /// <summary>The range of those parts, which are copied.</summary>
    /// <returns>False where there is no such kind.</returns>
    internal static bool TryCreate(int kind, ReadOnlySpan<byte> start, ReadOnlySpan<byte> end, [NotNullWhen(true)] out KeyRange? range)
    {
        bool isKnown = kind is >= (int)KeyRangeKind.Between and <= (int)KeyRangeKind.Children;
        range = isKnown ? new KeyRange((KeyRangeKind)kind, start.ToArray(), end.ToArray()) : null;
        return isKnown;
    }

    private static byte[] Utf8(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _strictUtf8.GetBytes(key);
    }
}

/// <summary>What a <see cref="KeyRange"/> means.</summary>
internal enum KeyRangeKind : byte
{
    /// <summary>The keys between two bounds.</summary>
    Between,

    /// <summary>The keys that begin with a prefix.</summary>
    Prefix,

    /// <summary>The direct children of a key.</summary>
    Children,
}
