using System.Reflection;
using System.Runtime.Loader;

namespace Tidemark.Tests.Golden;

/// <summary>
/// The analyzer that bans types in Core looks at what is called and misses types that only stand in a signature, so a field of a banned
/// type would pass it. This test looks at the signatures of the assembly that holds Core alone.
/// </summary>
public sealed class CoreSignatureTests
{
    private const BindingFlags All =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly (string Kind, string Name)[] Banned =
    [
        .. File.ReadLines(RepositoryRoot.At("build", "layers", "Core", "BannedInCore.txt"))
            .Select(line => line.Split(';')[0].Split(':'))
            .Where(parts => parts[0] is "N" or "T")
            .Select(parts => (parts[0], parts[1])),
    ];

    [Fact]
    public void No_signature_in_Core_holds_a_banned_type()
    {
        Assembly core = new AssemblyLoadContext("Core alone").LoadFromAssemblyPath(Path.Join(AppContext.BaseDirectory, "Tidemark.Layer.Core.dll"));
        string[] found = [.. core.GetTypes().SelectMany(Offences).Distinct().Order(StringComparer.Ordinal)];
        Assert.True(found.Length == 0, "Core may not know these types:\n" + string.Join('\n', found));
    }

    [Theory]
    [InlineData(typeof(WithField))]
    [InlineData(typeof(WithParameter))]
    [InlineData(typeof(WithReturn))]
    [InlineData(typeof(WithConstructor))]
    [InlineData(typeof(WithGenericArgument))]
    [InlineData(typeof(WithBase))]
    [InlineData(typeof(WithProperty))]
    public void A_banned_type_is_found_wherever_it_stands(Type type) => Assert.NotEmpty(Offences(type));

    private static IEnumerable<string> Offences(Type type) =>
        from used in TypesIn(type)
        from part in Parts(used.Type)
        where IsBanned(part)
        select $"{type.FullName}.{used.Place}: {part.FullName}";

    private static IEnumerable<(string Place, Type Type)> TypesIn(Type type)
    {
        if (type.BaseType is { } up) yield return ("base", up);
        foreach (Type item in type.GetInterfaces()) yield return ("interfaces", item);
        foreach (FieldInfo field in type.GetFields(All)) yield return (field.Name, field.FieldType);
        foreach (ConstructorInfo constructor in type.GetConstructors(All))
            foreach (ParameterInfo parameter in constructor.GetParameters()) yield return (constructor.Name, parameter.ParameterType);
        foreach (MethodInfo method in type.GetMethods(All))   // Properties and events are methods too.
            foreach (ParameterInfo parameter in method.GetParameters().Append(method.ReturnParameter)) yield return (method.Name, parameter.ParameterType);
    }

    /// <summary>The type itself and all it is made of.</summary>
    private static IEnumerable<Type> Parts(Type type)
    {
        if (type.HasElementType) return Parts(type.GetElementType()!);
        return type.IsGenericType ? type.GetGenericArguments().SelectMany(Parts).Append(type.GetGenericTypeDefinition()) : [type];
    }

    private static bool IsBanned(Type type) => Banned.Any(rule => rule.Kind == "T"
        ? type.FullName == rule.Name
        : type.Namespace == rule.Name || type.Namespace?.StartsWith(rule.Name + ".", StringComparison.Ordinal) == true);

#pragma warning disable CA1812, CA1823, CA1822, CS0169, CS0649, CA1801, IDE0044, IDE0051 // Only their shapes matter.
    private sealed class WithField
    {
        private Thread? _thread;
    }

    private sealed class WithParameter
    {
        public void Run(Stream stream) => stream.Dispose();
    }

    private sealed class WithReturn
    {
        public Random? Chance() => null;
    }

    private sealed class WithConstructor(Timer timer)
    {
        public override string ToString() => timer.ToString()!;
    }

    private sealed class WithGenericArgument
    {
        public Dictionary<string, List<Task[]>>? Find() => null;
    }

    private sealed class WithBase : MemoryStream;

    private sealed class WithProperty
    {
        public System.Net.Sockets.Socket? Socket { get; set; }
    }
#pragma warning restore CA1812, CA1823, CA1822, CS0169, CS0649, CA1801, IDE0044, IDE0051
}
