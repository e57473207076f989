using static Tidemark.Testing.ContractCheck;

namespace Tidemark.Testing;

/// <summary>Transports to be tested.</summary>
/// <param name="Connect">
/// Makes that many transports of different nodes that can reach each other, not started. They may still be finding each other: a message that is not sent, or does not arrive, is sent again.
/// The case disposes them.
/// </param>
public sealed record TransportSubject(Func<int, ValueTask<IReadOnlyList<ITransport>>> Connect)
{
    /// <summary>Makes the transport of a caller that can reach these members, not started. Null where the transport has no callers; then their cases hold of themselves.</summary>
    public Func<IReadOnlyList<ITransport>, ValueTask<ITransport>>? ConnectCaller { get; init; }

    /// <summary>How long a message is sent again and again before it counts as a broken rule that it does not arrive.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>The rules every <see cref="ITransport"/> keeps, as cases for any test framework.</summary>
/// <remarks>
/// A transport may lose messages, double them, and let them arrive late and in any order: nothing here asks for more than that a message that is sent again and again arrives. It may never alter
/// a message, invent one, name another sender, or give it to another node, and every case looks for that.
/// </remarks>
public static class TransportContract
{
    private const int LongBytes = 4 * 1024 * 1024;

    /// <summary>The cases, each independent of the others.</summary>
    public static IReadOnlyList<AsyncContractCase<TransportSubject>> Cases { get; } =
    [
        Case("A_message_arrives_as_it_was_and_names_its_sender", 2, mesh => mesh.Deliver(0, 1, 1, 100)),
        Case("Every_node_reaches_every_other_and_none_gets_what_is_for_another", 3, async mesh =>
        {
            for (int from = 0; from < 3; from++)
            {
                for (int to = 0; to < 3; to++)
                {
                    if (from != to) await mesh.Deliver(from, to, 1, 100).ConfigureAwait(false);
                }
            }
        }),
        Case("A_node_may_send_to_itself", 2, async mesh =>
        {
            await mesh.Deliver(0, 0, 1, 100).ConfigureAwait(false);
            await mesh.Deliver(1, 1, 1, 100).ConfigureAwait(false);
        }),
        Case("Both_ways_are_open_at_once", 2, mesh => Task.WhenAll(Many(mesh, 0, 1, 100), Many(mesh, 1, 0, 100))),
        Case("Many_messages_of_all_lengths_arrive", 2, mesh => Many(mesh, 0, 1, 500)),
        Case("An_empty_message_arrives", 2, async mesh =>
        {
            await mesh.DeliverEmpty(0, 1).ConfigureAwait(false);
            await mesh.Deliver(0, 1, 1, 100).ConfigureAwait(false);   // And the next is none the worse for it.
        }),
        Case("A_long_message_arrives", 2, async mesh =>
        {
            await mesh.Deliver(0, 1, 1, Math.Min(LongBytes, mesh[0].MaxMessageBytes)).ConfigureAwait(false);
            await mesh.Deliver(0, 1, 2, 100).ConfigureAwait(false);
        }),
        Case("A_message_that_is_too_long_is_refused_and_the_next_is_sent", 2, async mesh =>
        {
            if (mesh[0].MaxMessageBytes < Array.MaxLength)
            {
                byte[] longer = new byte[mesh[0].MaxMessageBytes + 1];
                Throws<LimitExceededException>(() => mesh[0].TrySend(mesh[1].Node, longer), "A message that is longer than MaxMessageBytes.");
            }

            await mesh.Deliver(0, 1, 1, 100).ConfigureAwait(false);
        }),
        Case("What_is_for_a_node_that_nobody_knows_is_not_sent", 2, async mesh =>
        {
            int unknown = Math.Max(mesh[0].Node, mesh[1].Node) + 1000;
            True(!mesh[0].TrySend(unknown, TransportMesh.Bytes(mesh[0].Node, unknown, 1, 100)), "A node that is not known: false, and no error.");
            await mesh.Deliver(0, 1, 1, 100).ConfigureAwait(false);
        }),
        Case("The_senders_buffer_is_the_senders_again_on_return", 2, async mesh =>
        {
            for (int number = 0; number < 20; number++) await mesh.Deliver(0, 1, number, 1000, overwrite: true).ConfigureAwait(false);
        }),
        Case("The_memory_of_a_message_is_the_receivers_from_then_on", 2, async mesh =>
        {
            await Many(mesh, 0, 1, 200).ConfigureAwait(false);
            mesh.LookAgain();
        }),
        Case("Messages_of_one_sender_are_received_one_at_a_time", 2, async mesh =>
        {
            mesh.Receiving = () => Thread.SpinWait(20_000);   // Time enough for another to come in between.
            await Together(4, thread => Many(mesh, 0, 1, 50, first: thread * 50)).ConfigureAwait(false);
        }),
        Case("Many_threads_of_many_nodes_send_at_once", 3, mesh =>
            Together(12, thread => Many(mesh, thread % 3, (thread + (thread / 3)) % 3, 50, first: thread * 50))),
        Case("It_is_started_once", 2, async mesh =>
        {
            int others = 0;
            await ThrowsAsync<InvalidOperationException>(async () => await mesh[1].StartAsync((_, _) => others++).ConfigureAwait(false), "A second start.").ConfigureAwait(false);
            await mesh.Deliver(0, 1, 1, 100).ConfigureAwait(false);
            Equal(0, others, "Who was there first receives.");
        }),
        Case("Once_disposed_it_says_so", 2, async mesh =>
        {
            await mesh.Deliver(0, 1, 1, 100).ConfigureAwait(false);
            await mesh[0].DisposeAsync().ConfigureAwait(false);
            await mesh[0].DisposeAsync().ConfigureAwait(false);
            Throws<ObjectDisposedException>(() => mesh[0].TrySend(mesh[1].Node, TransportMesh.Bytes(mesh[0].Node, mesh[1].Node, 2, 100)), "A send after it was disposed.");
            Throws<ObjectDisposedException>(() => mesh[0].TrySend(mesh[0].Node, TransportMesh.Bytes(mesh[0].Node, mesh[0].Node, 2, 100)), "A send to itself after it was disposed.");
        }),
        Case("A_node_that_is_gone_is_no_error_and_disturbs_no_other", 3, async mesh =>
        {
            await mesh.Deliver(0, 1, 1, 100).ConfigureAwait(false);
            await mesh[1].DisposeAsync().ConfigureAwait(false);
            for (int number = 2; number < 50; number++) mesh.Send(0, 1, number, 100);   // Sent or not, who can know.
            await mesh.Deliver(0, 2, 1, 100).ConfigureAwait(false);
            await mesh.Deliver(2, 0, 1, 100).ConfigureAwait(false);
        }),
        .. TransportCallerCases.All,
    ];

    private static AsyncContractCase<TransportSubject> Case(string name, int nodes, Func<TransportMesh, Task> rule) => new(name, async subject =>
    {
        IReadOnlyList<ITransport> transports = await subject.Connect(nodes).ConfigureAwait(false);
        try
        {
            var mesh = new TransportMesh(transports, subject.Patience);
            Equal(nodes, transports.Select(transport => transport.Node).Distinct().Count(), "Every transport is of a node of its own.");
            await mesh.StartAsync().ConfigureAwait(false);
            await rule(mesh).ConfigureAwait(false);
            mesh.Check();
        }
        finally
        {
            foreach (ITransport transport in transports) await transport.DisposeAsync().ConfigureAwait(false);
        }
    });

    private static Task Many(TransportMesh mesh, int from, int to, int count, int first = 0) =>
        mesh.Deliver(from, to, [.. Enumerable.Range(first, count).Select(number => (number, TransportMesh.LeastBytes + (number * number % 3001)))]);

    private static Task Together(int threads, Func<int, Task> act) => Task.WhenAll(Enumerable.Range(0, threads).Select(thread => Task.Run(() => act(thread))));
}
