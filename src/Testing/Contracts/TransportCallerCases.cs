using System.Buffers.Binary;
using System.Collections.Concurrent;

using static Tidemark.Testing.ContractCheck;

namespace Tidemark.Testing;

/// <summary>The rules about callers, for transports that have them.</summary>
/// <remarks>A caller sends a word of its own; whoever gets one answers with the word and its own number. So both sides can tell what belongs together.</remarks>
internal static class TransportCallerCases
{
    internal static IEnumerable<AsyncContractCase<TransportSubject>> All { get; } =
    [
        Case("A_caller_is_answered_by_each_member_and_has_a_number_below_minus_one", callers: 1, async exchange =>
        {
            for (int member = 0; member < 2; member++)
            {
                await exchange.Call(0, member).ConfigureAwait(false);
                True(exchange.NumberOf(0, member) < -1, "A caller has a negative number below -1 at a member, as no member has.");
            }

            True(exchange.CallerNode(0) < -1, "A caller's own number is -2 or below.");
        }),
        Case("Callers_are_told_apart_and_each_gets_its_own_answers", callers: 3, async exchange =>
        {
            await Task.WhenAll(Enumerable.Range(0, 6).Select(i => exchange.Call(i % 3, i / 3))).ConfigureAwait(false);
            for (int member = 0; member < 2; member++)
                Equal(3, Enumerable.Range(0, 3).Select(caller => exchange.NumberOf(caller, member)).Distinct().Count(), "Callers have different numbers at a member.");
        }),
        Case("What_is_for_a_caller_that_is_gone_is_not_sent_and_its_number_is_not_given_again", callers: 2, async exchange =>
        {
            await exchange.Call(0, 0).ConfigureAwait(false);
            int gone = exchange.NumberOf(0, 0);
            await exchange.Hangup(0).ConfigureAwait(false);
            await exchange.Until(() => !exchange.TryAnswer(0, gone), "What is for a caller that is gone is not sent, once that is known.").ConfigureAwait(false);
            await exchange.Call(1, 0).ConfigureAwait(false);
            True(exchange.NumberOf(1, 0) != gone, "A number is not given again.");
            True(!exchange.TryAnswer(0, gone), "What is for a caller that is gone is not sent to another.");
        }),
        Case("A_caller_may_not_send_to_itself_or_to_another_caller", callers: 2, async exchange =>
        {
            await exchange.Call(0, 0).ConfigureAwait(false);
            await exchange.Call(1, 0).ConfigureAwait(false);
            True(!exchange.TryCross(0, exchange.CallerNode(0)), "A caller does not send to itself.");
            True(!exchange.TryCross(0, exchange.NumberOf(1, 0)), "A caller does not send to another.");
        }),
    ];

    private static AsyncContractCase<TransportSubject> Case(string name, int callers, Func<CallerExchange, Task> rule) => new(name, async subject =>
    {
        if (subject.ConnectCaller is not { } connect) return;
        var transports = new List<ITransport>();
        try
        {
            IReadOnlyList<ITransport> members = await subject.Connect(2).ConfigureAwait(false);
            transports.AddRange(members);
            for (int i = 0; i < callers; i++) transports.Add(await connect(members).ConfigureAwait(false));
            var exchange = new CallerExchange(members, [.. transports.Skip(members.Count)], subject.Patience);
            await exchange.StartAsync().ConfigureAwait(false);
            await rule(exchange).ConfigureAwait(false);
            exchange.Check();
        }
        finally
        {
            foreach (ITransport transport in transports) await transport.DisposeAsync().ConfigureAwait(false);
        }
    });

    private sealed class CallerExchange(IReadOnlyList<ITransport> members, IReadOnlyList<ITransport> callers, TimeSpan patience)
    {
        private const int WordBytes = 8;
        private const int AnswerBytes = 12;

        private static readonly TimeSpan _again = TimeSpan.FromMilliseconds(20);

        private readonly ConcurrentDictionary<(int Caller, int Member), int> _numbers = new();
        private readonly ConcurrentDictionary<(int Caller, int Member), bool> _answered = new();
        private string? _fault;

        internal async Task StartAsync()
        {
            for (int i = 0; i < members.Count; i++)
            {
                int member = i;
                await members[i].StartAsync((from, message) => Asked(member, from, message.Span)).ConfigureAwait(false);
            }

            for (int i = 0; i < callers.Count; i++)
            {
                int caller = i;
                await callers[i].StartAsync((from, message) => Answered(caller, from, message.Span)).ConfigureAwait(false);
            }
        }

        internal int CallerNode(int caller) => callers[caller].Node;

        internal int NumberOf(int caller, int member) => _numbers[(caller, member)];

        internal Task Call(int caller, int member) => Until(() =>
        {
            if (_answered.ContainsKey((caller, member))) return true;
            callers[caller].TrySend(members[member].Node, Word(caller, members[member].Node));
            return false;
        }, $"A word that a caller says again and again is answered. That of caller {caller} by node {members[member].Node} was not.");

        internal ValueTask Hangup(int caller) => callers[caller].DisposeAsync();

        internal bool TryAnswer(int member, int number) => members[member].TrySend(number, new byte[1]);

        internal bool TryCross(int caller, int number) => callers[caller].TrySend(number, new byte[1]);

        internal void Check() => True(_fault is null, _fault ?? "");

        internal async Task Until(Func<bool> isSo, string rule)
        {
            using var deadline = new CancellationTokenSource(patience);
            while (!isSo())
            {
                Check();
                try
                {
                    await Task.Delay(_again, deadline.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException e)
                {
                    throw new ContractViolationException($"{rule} It took longer than {patience}.", e);
                }
            }

            Check();
        }

        private void Asked(int member, int from, ReadOnlySpan<byte> message)
        {
            if (message.Length != WordBytes || BinaryPrimitives.ReadInt32LittleEndian(message[4..]) != members[member].Node)
            {
                Fault("A member gets from a caller what that has sent to it.");
                return;
            }

            int caller = BinaryPrimitives.ReadInt32LittleEndian(message);
            if (_numbers.GetOrAdd((caller, member), from) != from) Fault($"A caller keeps its number as long as it is connected. Caller {caller} came as {from} too.");
            byte[] answer = new byte[AnswerBytes];
            message.CopyTo(answer);
            BinaryPrimitives.WriteInt32LittleEndian(answer.AsSpan(WordBytes), members[member].Node);
            members[member].TrySend(from, answer);
        }

        private void Answered(int caller, int from, ReadOnlySpan<byte> message)
        {
            if (message.Length == 1) return;   // Only to see whether it goes.
            int member = members.ToList().FindIndex(each => each.Node == from);
            bool fits = message.Length == AnswerBytes && member >= 0 && BinaryPrimitives.ReadInt32LittleEndian(message) == caller
                && BinaryPrimitives.ReadInt32LittleEndian(message[WordBytes..]) == from;
            if (fits) _answered.TryAdd((caller, member), true);
            else Fault($"A caller gets its own answers, from members by their real numbers. Caller {caller} got one from {from} that is another's.");
        }

        private static byte[] Word(int caller, int member)
        {
            byte[] word = new byte[WordBytes];
            BinaryPrimitives.WriteInt32LittleEndian(word, caller);
            BinaryPrimitives.WriteInt32LittleEndian(word.AsSpan(4), member);
            return word;
        }

        private void Fault(string rule) => Interlocked.CompareExchange(ref _fault, rule, null);
    }
}
