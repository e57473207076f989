using System.Buffers;

using Tidemark.Core.Rebase;

namespace Tidemark.Testing.Sync;

/// <summary>Carries requests to a server and answers back, through the codec and through virtual time: late, twice, in another order, or not at all.</summary>
internal sealed class SyncNetwork(ISyncServer server, SyncHarness harness, SeededChance chance)
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(1);

    /// <summary>How probable it is that a message is lost, and that one is delivered twice.</summary>
    internal double Loss { get; set; }

    internal double Repetition { get; set; }

    internal long Lost { get; private set; }

    internal long Repeated { get; private set; }

    /// <summary>Sends what a client's sync wants sent.</summary>
    /// <param name="effect">A pull or a push.</param>
    /// <param name="answered">Told what comes of it, if anything does.</param>
    internal void Send(SyncEffect effect, Action<SyncEvent> answered)
    {
        var request = new ArrayBufferWriter<byte>();
        long number;
        if (effect is SyncSendPull pull)
        {
            number = pull.Request;
            SyncCodec.Write(request, pull.Pull);
        }
        else
        {
            var push = (SyncSendPush)effect;
            number = push.Request;
            SyncCodec.Write(request, push.Push);
        }

        byte[] bytes = request.WrittenSpan.ToArray();
        bool isPull = effect is SyncSendPull;
        harness.After(_patience, () => answered(new SyncRequestFailed(number, "No answer came in time.")));   // Of no meaning once one came.
        Deliver(() =>
        {
            byte[] answer = isPull ? AnswerPull(bytes) : AnswerPush(bytes);
            if (!isPull) harness.Pushed();
            Deliver(() => answered(isPull ? new SyncPullAnswered(number, SyncCodec.ReadAnswer(answer)) : new SyncPushAnswered(number, SyncCodec.ReadPushed(answer))));
        });
    }

    private byte[] AnswerPull(byte[] bytes)
    {
        var output = new ArrayBufferWriter<byte>();
        SyncCodec.Write(output, server.Answer(SyncCodec.ReadPull(bytes)));
        return output.WrittenSpan.ToArray();
    }

    private byte[] AnswerPush(byte[] bytes)
    {
        var output = new ArrayBufferWriter<byte>();
        SyncCodec.Write(output, server.Answer(SyncCodec.ReadPush(bytes)));
        return output.WrittenSpan.ToArray();
    }

    private void Deliver(Action arrival)
    {
        if (chance.Hits(Loss))
        {
            Lost++;
            return;
        }

        harness.After(Delay(), arrival);
        if (!chance.Hits(Repetition)) return;
        Repeated++;
        harness.After(10 * Delay(), arrival);
    }

    private TimeSpan Delay() => TimeSpan.FromMicroseconds(100 + chance.Below(20_000));
}
