using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Tidemark.Tests.Golden;

/// <summary>Writes what a program can see of an assembly as text that reads like C#.</summary>
internal static class PublicApi
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    public static string Of(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (IGrouping<string?, Type> space in assembly.GetExportedTypes().GroupBy(type => type.Namespace).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            text.Append($"namespace {space.Key}\n");
            foreach (Type type in space.OrderBy(type => TypeNames.Of(type), StringComparer.Ordinal)) Append(text, type);
        }
        return text.ToString();
    }

    private static void Append(StringBuilder text, Type type)
    {
        text.Append($"\n{Header(type)}\n");
        IEnumerable<Member> members = type.IsEnum ? EnumMembers(type) : Members(type).OrderBy(member => member.Rank)
            .ThenBy(member => member.Name, StringComparer.Ordinal).ThenBy(member => member.Text, StringComparer.Ordinal);
        foreach (Member member in members) text.Append($"    {member.Text}\n");
    }

    private static string Header(Type type)
    {
        if (typeof(Delegate).IsAssignableFrom(type)) return $"public delegate {MemberText.Method(type.GetMethod("Invoke")!, TypeNames.Of(type))}";
        if (type.IsEnum) return $"public enum {TypeNames.Of(type)} : {TypeNames.Of(type.GetEnumUnderlyingType())}";
        bool isRecord = IsRecord(type);
        string kind = type.IsInterface ? "interface"
            : type.IsValueType ? $"{(Has<IsReadOnlyAttribute>(type) ? "readonly " : "")}{(type.IsByRefLike ? "ref " : "")}{(isRecord ? "record struct" : "struct")}"
            : type.IsAbstract && type.IsSealed ? "static class"
            : $"{(type.IsAbstract ? "abstract " : type.IsSealed ? "sealed " : "")}{(isRecord ? "record" : "class")}";
        IEnumerable<Type> bases = type.BaseType is { } up && up != typeof(object) && up != typeof(ValueType) ? [up] : [];
        bases = bases.Concat(OwnInterfaces(type).OrderBy(TypeNames.Of, StringComparer.Ordinal));
        string list = string.Join(", ", bases.Select(TypeNames.Of));
        return $"public {kind} {TypeNames.Of(type)}{(list.Length > 0 ? " : " : "")}{list}{MemberText.Constraints(type.GetGenericArguments())}";
    }

    private static IEnumerable<Type> OwnInterfaces(Type type)
    {
        Type[] all = [.. type.GetInterfaces().Where(item => item.IsVisible)];
        IEnumerable<Type> inherited = (type.BaseType?.GetInterfaces() ?? []).Concat(all.SelectMany(item => item.GetInterfaces()));
        return all.Except(inherited);
    }

    private enum Rank
    {
        Field,
        Constructor,
        Property,
        Event,
        Method,
    }

    private readonly record struct Member(Rank Rank, string Name, string Text);

    private static IEnumerable<Member> EnumMembers(Type type) =>
        type.GetEnumNames().Select(name => new Member(Rank.Field, name, $"{name} = {Convert.ToInt64(Enum.Parse(type, name))}"));

    private static IEnumerable<Member> Members(Type type)
    {
        if (typeof(Delegate).IsAssignableFrom(type)) yield break;
        bool isRecord = IsRecord(type);
        foreach (FieldInfo field in type.GetFields(Declared))
            if (field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly) yield return new Member(Rank.Field, field.Name, MemberText.Field(field));
        foreach (ConstructorInfo constructor in type.GetConstructors(Declared))
        {
            if (!IsVisible(constructor) || (isRecord && Has<CompilerGeneratedAttribute>(constructor))) continue;
            yield return new Member(Rank.Constructor, "", MemberText.Constructor(constructor));
        }
        foreach (PropertyInfo property in type.GetProperties(Declared))
        {
            if (property.Name == "EqualityContract" || !property.GetAccessors(nonPublic: true).Any(IsVisible)) continue;
            yield return new Member(Rank.Property, property.Name, MemberText.Property(property));
        }
        foreach (EventInfo item in type.GetEvents(Declared))
            if (IsVisible(item.AddMethod!)) yield return new Member(Rank.Event, item.Name, MemberText.Event(item));
        foreach (MethodInfo method in type.GetMethods(Declared))
        {
            bool isAccessor = method.IsSpecialName && !method.Name.StartsWith("op_", StringComparison.Ordinal);
            bool everyRecordHasIt = isRecord && Has<CompilerGeneratedAttribute>(method);
            if (!IsVisible(method) || isAccessor || everyRecordHasIt || method.Name.StartsWith('<')) continue;
            yield return new Member(Rank.Method, method.Name, MemberText.Method(method, method.Name));
        }
    }

    private static bool IsRecord(Type type) =>
        type.GetMethod("<Clone>$", Declared) is not null
        || (type.IsValueType && type.GetMethod("PrintMembers", Declared) is { } print && Has<CompilerGeneratedAttribute>(print));

    internal static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    internal static bool Has<TAttribute>(MemberInfo member)
        where TAttribute : Attribute => member.GetCustomAttribute<TAttribute>(inherit: false) is not null;
}
