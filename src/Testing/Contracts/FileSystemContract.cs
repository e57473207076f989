using static Tidemark.Testing.ContractCheck;

namespace Tidemark.Testing;

/// <summary>A file system to be tested, and a place in it that is the test's own.</summary>
/// <param name="Files">The implementation.</param>
/// <param name="Directory">The full path of a directory that exists and is empty.</param>
public sealed record FileSystemSubject(IFileSystem Files, string Directory)
{
    internal string At(params string[] names) => Path.Join([Directory, .. names]);

    internal IFile New(string name) => Files.Open(At(name), FileOpenMode.New);
}

/// <summary>The rules every <see cref="IFileSystem"/> keeps, as cases for any test framework.</summary>
/// <remarks>What only a power cut shows, durability, is not among them.</remarks>
/// <example>
/// With xunit: a <c>[Theory]</c> whose <c>[MemberData]</c> yields <see cref="Cases"/>, and that calls <see cref="ContractCase{T}.Run"/> with a
/// fresh directory each time.
/// </example>
public static class FileSystemContract
{
    /// <summary>The cases, each independent of the others.</summary>
    public static IReadOnlyList<ContractCase<FileSystemSubject>> Cases { get; } =
        [.. FileNameCases.All, .. FileContentCases.All, .. FileLockCases.All];

    internal static ContractCase<FileSystemSubject> Case(string name, Action<FileSystemSubject> rule) => new(name, create => rule(create()));

    /// <summary>Bytes that tell their position, never zero.</summary>
    internal static byte[] Pattern(int count, int seed = 1)
    {
        var bytes = new byte[count];
        for (int i = 0; i < count; i++) bytes[i] = (byte)(1 + ((i * 31) + seed) % 255);
        return bytes;
    }

    internal static byte[] ReadAll(IFile file)
    {
        var bytes = new byte[file.Length];
        Equal(bytes.Length, file.Read(0, bytes), "A read of the whole file returns all of it.");
        return bytes;
    }
}
