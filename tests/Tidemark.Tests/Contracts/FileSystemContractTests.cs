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

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_faulty_disk_without_faults_keeps_the_contract(ContractCase<FileSystemSubject> rule) =>
        rule.Run(() => InMemory(new FaultyFileSystem()));

    [Fact]
    public void Who_breaks_a_rule_is_told_which_and_what_was_seen()
    {
        FileSystemSubject subject = InMemory(new MemoryFileSystem());
        subject.Files.Open(Path.Join(subject.Directory, "stray"), FileOpenMode.New).Dispose();
        ContractCase<FileSystemSubject> rule = Assert.Single(FileSystemContract.Cases, rule => rule.Name == "ListFiles_gives_names_in_ordinal_order");
        string message = Assert.Throws<ContractViolationException>(() => rule.Run(() => subject)).Message;
        Assert.Contains("in ordinal order", message, StringComparison.Ordinal);
        Assert.Contains("stray", message, StringComparison.Ordinal);
    }

    private static FileSystemSubject InMemory(IFileSystem files)
    {
        string directory = Path.GetFullPath("data");
        files.CreateDirectory(directory);
        return new FileSystemSubject(files, directory);
    }
}
