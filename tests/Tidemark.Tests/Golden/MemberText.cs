using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Tidemark.Tests.Golden;

/// <summary>The members of a type as C# declares them, one a line.</summary>
internal static class MemberText
{
    // Not shared between threads: the context is not made for that.
    private static NullabilityInfoContext Nullability => new();

    public static string Field(FieldInfo field)
    {
        string protection = field.IsPublic ? "" : "protected ";
        string kind = field.IsLiteral ? "const " : $"{(field.IsStatic ? "static " : "")}{(field.IsInitOnly ? "readonly " : "")}";
        string value = field.IsLiteral ? $" = {Literal(field.GetRawConstantValue(), field.FieldType)}" : "";
        return $"{protection}{kind}{TypeNames.Of(field.FieldType, Nullability.Create(field))} {field.Name}{value}";
    }

    public static string Constructor(ConstructorInfo constructor) =>
        $"{(constructor.IsPublic ? "" : "protected ")}{constructor.DeclaringType!.Name.Split('`')[0]}({Parameters(constructor)})";

    public static string Property(PropertyInfo property)
    {
        MethodInfo[] accessors = [.. property.GetAccessors(nonPublic: true).Where(PublicApi.IsVisible)];
        MethodInfo widest = accessors.FirstOrDefault(accessor => accessor.IsPublic) ?? accessors[0];
        string body = string.Concat(accessors.Select(accessor =>
            $"{(accessor.IsPublic == widest.IsPublic ? "" : "protected ")}{(accessor == property.GetMethod ? "get" : IsInit(accessor) ? "init" : "set")}; "));
        string required = PublicApi.Has<RequiredMemberAttribute>(property) ? "required " : "";
        string name = property.GetIndexParameters() is { Length: > 0 } index ? $"this[{Parameters(index)}]" : property.Name;
        string reference = property.PropertyType.IsByRef ? "ref " : "";
        return $"{Modifiers(widest)}{required}{reference}{TypeNames.Of(property.PropertyType, Nullability.Create(property))} {name} {{ {body}}}";
    }

    public static string Event(EventInfo item) => $"{Modifiers(item.AddMethod!)}event {TypeNames.Of(item.EventHandlerType!)} {item.Name}";

    public static string Method(MethodInfo method, string name)
    {
        string generic = method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(TypeNames.Of))}>" : "";
        string reference = method.ReturnType.IsByRef ? method.ReturnParameter.IsDefined(typeof(IsReadOnlyAttribute)) ? "ref readonly " : "ref " : "";
        string result = reference + TypeNames.Of(method.ReturnType, Nullability.Create(method.ReturnParameter));
        return $"{Modifiers(method)}{result} {name}{generic}({Parameters(method)}){Constraints(method.IsGenericMethod ? method.GetGenericArguments() : [])}";
    }

    public static string Modifiers(MethodInfo method)
    {
        string protection = method.IsPublic ? "" : "protected ";
        if (method.DeclaringType!.IsInterface && !method.IsStatic) return protection;
        bool overrides = method.GetBaseDefinition().DeclaringType != method.DeclaringType;
        string kind = method.IsStatic ? method.IsAbstract ? "static abstract " : "static "
            : overrides ? method.IsFinal ? "sealed override " : "override "
            : method.IsAbstract ? "abstract "
            : method.IsVirtual && !method.IsFinal ? "virtual "
            : "";
        return protection + kind;
    }

    public static string Constraints(IEnumerable<Type> arguments) => string.Concat(arguments.Where(argument => argument.IsGenericParameter).Select(argument =>
    {
        GenericParameterAttributes attributes = argument.GenericParameterAttributes;
        bool isStruct = attributes.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint);
        IEnumerable<string> parts = isStruct ? ["struct"] : attributes.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint) ? ["class"] : [];
        parts = parts.Concat(argument.GetGenericParameterConstraints().Where(type => type != typeof(ValueType)).Select(TypeNames.Of));
        if (!isStruct && attributes.HasFlag(GenericParameterAttributes.DefaultConstructorConstraint)) parts = parts.Append("new()");
        string list = string.Join(", ", parts);
        return list.Length == 0 ? "" : $" where {argument.Name} : {list}";
    }));

    private static bool IsInit(MethodInfo setter) => setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));

    private static string Parameters(MethodBase method)
    {
        string list = Parameters(method.GetParameters());
        return method.IsDefined(typeof(ExtensionAttribute), inherit: false) ? "this " + list : list;
    }

    private static string Parameters(ParameterInfo[] parameters) => string.Join(", ", parameters.Select(parameter =>
    {
        string kind = parameter.IsOut ? "out "
            : parameter.ParameterType.IsByRef ? parameter.IsIn ? "in " : "ref "
            : parameter.IsDefined(typeof(ParamArrayAttribute)) || parameter.IsDefined(typeof(ParamCollectionAttribute)) ? "params "
            : "";
        string value = parameter.HasDefaultValue ? $" = {Literal(parameter.RawDefaultValue, parameter.ParameterType)}" : "";
        return $"{kind}{TypeNames.Of(parameter.ParameterType, Nullability.Create(parameter))} {parameter.Name}{value}";
    }));

    private static string Literal(object? value, Type type) => value switch
    {
        null => type.IsValueType && Nullable.GetUnderlyingType(type) is null ? "default" : "null",
        string text => $"\"{text}\"",
        bool flag => flag ? "true" : "false",
        _ when type.IsEnum => $"{TypeNames.Of(type)}.{Enum.ToObject(type, value)}",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };
}
