using Tidemark.Testing;

namespace Tidemark.Tests.Contracts;

public sealed class FileSystemContractTests
{
    public static TheoryData<ContractCase<FileSystemSubject>> Cases => new(FileSystemContract.Cases);

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_disk_keeps_the_contract(ContractCase<FileSystemSubject> rule)
    {
        using var directory = new TestDirectory();
        rule.Run(() => new FileSystemSubject(DiskFileSystem.Instance, directory.Path));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Memory_keeps_the_contract(ContractCase<FileSystemSubject> rule) => rule.Run(() => InMemory(new MemoryFileSystem()));

    private static FileSystemSubject InMemory(MemoryFileSystem files)
    {
        string directory = Path.GetFullPath("data");
        files.CreateDirectory(directory);
        return new FileSystemSubject(files, directory);
    }
}
