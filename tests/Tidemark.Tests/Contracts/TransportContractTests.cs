using Tidemark.Testing;

namespace Tidemark.Tests.Contracts;

public sealed class TransportContractTests
{
    private static readonly Dictionary<TransportFlaw, string> _seenBy = new()
    {
        [TransportFlaw.NamesTheReceiver] = "A_message_arrives_as_it_was_and_names_its_sender",
        [TransportFlaw.GivesItToAnotherToo] = "Every_node_reaches_every_other_and_none_gets_what_is_for_another",
        [TransportFlaw.LosesWhatIsForItself] = "A_node_may_send_to_itself",
        [TransportFlaw.GoesOneWayAlone] = "Both_ways_are_open_at_once",
        [TransportFlaw.AltersAByteNowAndThen] = "Many_messages_of_all_lengths_arrive",
        [TransportFlaw.InventsMessages] = "Many_messages_of_all_lengths_arrive",
        [TransportFlaw.CannotCarryNothing] = "An_empty_message_arrives",
        [TransportFlaw.CutsLongMessages] = "A_long_message_arrives",
        [TransportFlaw.TakesMessagesOfAnyLength] = "A_message_that_is_too_long_is_refused_and_the_next_is_sent",
        [TransportFlaw.TakesWhatIsForNobody] = "What_is_for_a_node_that_nobody_knows_is_not_sent",
        [TransportFlaw.KeepsTheSendersBuffer] = "The_senders_buffer_is_the_senders_again_on_return",
        [TransportFlaw.UsesReceivedMemoryAgain] = "The_memory_of_a_message_is_the_receivers_from_then_on",
        [TransportFlaw.ReceivesSeveralAtOnce] = "Messages_of_one_sender_are_received_one_at_a_time",
        [TransportFlaw.MixesWhatIsSentAtOnce] = "Many_threads_of_many_nodes_send_at_once",
        [TransportFlaw.StartsAgain] = "It_is_started_once",
        [TransportFlaw.SendsOnceDisposed] = "Once_disposed_it_says_so",
        [TransportFlaw.ThrowsWhereTheReceiverIsGone] = "A_node_that_is_gone_is_no_error_and_disturbs_no_other",
        [TransportFlaw.NumbersCallersAsMembers] = "A_caller_is_answered_by_each_member_and_has_a_number_below_minus_one",
        [TransportFlaw.GivesAnswersToAnotherCaller] = "Callers_are_told_apart_and_each_gets_its_own_answers",
        [TransportFlaw.TakesWhatIsForACallerThatIsGone] = "What_is_for_a_caller_that_is_gone_is_not_sent_and_its_number_is_not_given_again",
        [TransportFlaw.ConnectsCallersWithEachOther] = "A_caller_may_not_send_to_itself_or_to_another_caller",
    };

    public static TheoryData<AsyncContractCase<TransportSubject>> Rules => [.. TransportContract.Cases];

    public static TheoryData<TransportFlaw> Flaws => [.. _seenBy.Keys];

    [Theory]
    [MemberData(nameof(Rules))]
    public Task Memory_keeps_the_contract(AsyncContractCase<TransportSubject> rule)
    {
        var network = new MemoryNetwork();
        return rule.RunAsync(new TransportSubject(count =>
            new ValueTask<IReadOnlyList<ITransport>>([.. Enumerable.Range(0, count).Select(i => network.CreateTransport(10 + (3 * i)))]))
        {
            ConnectCaller = _ => new ValueTask<ITransport>(network.CreateCaller()),
        });
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public Task A_transport_that_loses_doubles_and_reorders_keeps_it_too(AsyncContractCase<TransportSubject> rule) =>
        rule.RunAsync(FlawedNetwork.Subject(TransportFlaw.LosesDoublesAndReordersAsItMay));

    [Theory]
    [MemberData(nameof(Flaws))]
    public async Task A_transport_with_a_flaw_is_found_out(TransportFlaw flaw)
    {
        AsyncContractCase<TransportSubject> rule = Assert.Single(TransportContract.Cases, rule => rule.Name == _seenBy[flaw]);
        TransportSubject subject = FlawedNetwork.Subject(flaw) with { Patience = TimeSpan.FromMilliseconds(500) };
        try
        {
            await rule.RunAsync(subject);
            Assert.Fail($"{flaw} was not found out by {rule}.");
        }
        catch (ContractViolationException)
        {
            // As it should be.
        }
        catch (IOException) when (flaw == TransportFlaw.ThrowsWhereTheReceiverIsGone)
        {
            // An error that should not have come is its own message.
        }
    }

    [Fact]
    public void There_is_a_flaw_for_every_rule_and_a_rule_for_every_flaw()
    {
        Assert.Equal(TransportContract.Cases.Select(rule => rule.Name).Order(), _seenBy.Values.Distinct().Order());
        Assert.Equal(Enum.GetValues<TransportFlaw>().Skip(1), _seenBy.Keys.Order());
    }
}
