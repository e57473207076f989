using Tidemark.Testing;

namespace Tidemark.Tests.Contracts;

public sealed class ArchiveContractTests
{
    private static readonly Dictionary<ArchiveFlaw, string> _seenBy = new()
    {
        [ArchiveFlaw.OpensWhatIsMissing] = "An_archive_begins_without_objects",
        [ArchiveFlaw.CutsLongContent] = "Any_bytes_from_none_to_a_few_mebibytes_come_back_as_they_are",
        [ArchiveFlaw.Replaces] = "An_object_that_is_there_is_not_replaced",
        [ArchiveFlaw.ListsWithoutOrder] = "A_folder_lists_its_objects_by_name_with_their_lengths_and_no_others",
        [ArchiveFlaw.KeepsWhatIsDeleted] = "What_was_deleted_is_gone_and_its_name_free",
        [ArchiveFlaw.TellsLosersThatTheyWon] = "Of_several_who_create_one_object_exactly_one_succeeds",
        [ArchiveFlaw.KeepsHalf] = "An_object_whose_content_cannot_be_read_to_its_end_is_not_there",
        [ArchiveFlaw.TakesAnyName] = "A_name_that_is_none_is_refused",
    };

    public static TheoryData<AsyncContractCase<IArchive>> Rules => [.. ArchiveContract.Cases];

    public static TheoryData<ArchiveFlaw> Flaws => [.. _seenBy.Keys];

    [Theory]
    [MemberData(nameof(Rules))]
    public Task A_folder_keeps_the_contract(AsyncContractCase<IArchive> rule) => rule.RunAsync(new FolderArchive("a", new MemoryFileSystem()));

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task A_folder_on_the_disk_keeps_the_contract(AsyncContractCase<IArchive> rule)
    {
        using var directory = new TestDirectory();
        await rule.RunAsync(new FolderArchive(Path.Combine(directory.Path, "a")));
    }

    [Theory]
    [MemberData(nameof(Flaws))]
    public async Task An_archive_with_a_flaw_is_found_out(ArchiveFlaw flaw)
    {
        AsyncContractCase<IArchive> rule = Assert.Single(ArchiveContract.Cases, rule => rule.Name == _seenBy[flaw]);
        await Assert.ThrowsAsync<ContractViolationException>(() => rule.RunAsync(new FlawedArchive(flaw)));
    }

    [Fact]
    public void There_is_a_flaw_for_every_rule_and_a_rule_for_every_flaw()
    {
        Assert.Equal(ArchiveContract.Cases.Select(rule => rule.Name).Order(), _seenBy.Values.Order());
        Assert.Equal(Enum.GetValues<ArchiveFlaw>(), _seenBy.Keys.Order());
    }
}
