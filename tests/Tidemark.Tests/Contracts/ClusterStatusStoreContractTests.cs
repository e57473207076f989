using Tidemark.Testing;

namespace Tidemark.Tests.Contracts;

public sealed class ClusterStatusStoreContractTests
{
    private static readonly Dictionary<StatusStoreFlaw, string[]> _seenBy = new()
    {
        [StatusStoreFlaw.BeginsWithAnEmptyDocument] = ["A_store_begins_without_a_document"],
        [StatusStoreFlaw.FirstWriteReplaces] = ["The_first_write_expects_0_and_a_second_first_write_changes_nothing"],
        [StatusStoreFlaw.ReadsAreOneBehind] = ["Versions_rise_and_a_read_has_the_newest_write_that_was_answered"],
        [StatusStoreFlaw.OlderVersionsAreGoodEnough] = ["A_write_that_expects_another_version_is_refused_and_changes_nothing"],
        [StatusStoreFlaw.EqualContentIsNotWritten] = ["The_same_content_again_is_a_new_version"],
        [StatusStoreFlaw.KeepsTheCallersBuffer] = ["The_callers_buffer_is_the_callers_again_once_the_write_is_answered"],
        [StatusStoreFlaw.CutsLongContent] = ["Any_bytes_from_none_to_a_mebibyte_are_kept_as_they_are"],
        [StatusStoreFlaw.TellsLosersThatTheyWon] = ["Of_writers_that_expect_one_version_exactly_one_succeeds", "Concurrent_increments_lose_none"],
        [StatusStoreFlaw.IgnoresCancellation] = ["Cancelling_ends_a_read_and_a_write_before_they_begin"],
        [StatusStoreFlaw.WatchBeginsWithTheNextChange] = ["A_watch_from_0_begins_with_what_is_there"],
        [StatusStoreFlaw.WatchEndsWithoutADocument] = ["A_watch_of_a_store_without_a_document_waits_for_the_first"],
        [StatusStoreFlaw.WatchLagsOneBehind] = ["A_watch_gives_rising_versions_and_always_reaches_the_newest"],
        [StatusStoreFlaw.WatchIgnoresWhatIsKnown] = ["A_watch_after_a_version_gives_nothing_that_is_not_newer"],
        [StatusStoreFlaw.WatchSeesOnlyWhatComesWhileItWaits] = ["A_change_between_two_looks_of_a_watch_is_not_missed"],
        [StatusStoreFlaw.WatchTellsOfRefusedWrites] = ["A_refused_write_is_no_change"],
        [StatusStoreFlaw.WatchesShareTheChanges] = ["Several_watches_see_every_one_the_newest"],
        [StatusStoreFlaw.WatchIgnoresCancellation] = ["Cancelling_ends_a_watch_that_waits"],
    };

    public static TheoryData<AsyncContractCase<ClusterStatusStoreSubject>> Rules => [.. ClusterStatusStoreContract.Cases];

    public static TheoryData<StatusStoreFlaw, string> Flaws
    {
        get
        {
            var flaws = new TheoryData<StatusStoreFlaw, string>();
            foreach ((StatusStoreFlaw flaw, string[] rules) in _seenBy)
            {
                foreach (string rule in rules) flaws.Add(flaw, rule);
            }

            return flaws;
        }
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public Task Memory_keeps_the_contract(AsyncContractCase<ClusterStatusStoreSubject> rule) => rule.RunAsync(new ClusterStatusStoreSubject(new MemoryClusterStatusStore()));

    [Theory]
    [MemberData(nameof(Flaws))]
    public async Task A_store_with_a_flaw_is_found_out(StatusStoreFlaw flaw, string name)
    {
        AsyncContractCase<ClusterStatusStoreSubject> rule = Assert.Single(ClusterStatusStoreContract.Cases, rule => rule.Name == name);
        var subject = new ClusterStatusStoreSubject(new FlawedStatusStore(flaw)) { Patience = TimeSpan.FromMilliseconds(300) };
        await Assert.ThrowsAsync<ContractViolationException>(() => rule.RunAsync(subject));
    }

    [Fact]
    public void There_is_a_flaw_for_every_rule_and_a_rule_for_every_flaw()
    {
        Assert.Equal(ClusterStatusStoreContract.Cases.Select(rule => rule.Name).Order(), _seenBy.Values.SelectMany(rules => rules).Order());
        Assert.Equal(Enum.GetValues<StatusStoreFlaw>(), _seenBy.Keys.Order());
    }
}
