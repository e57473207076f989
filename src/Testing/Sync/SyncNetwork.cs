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
        long number = effect is SyncSendPull asked ? asked.Request : ((SyncSendPush)effect).Request;
        harness.After(_patience, () => answered(new SyncRequestFailed(number, "No answer came in time.")));   // Of no meaning once one came.
        Deliver(() =>
        {
            SyncEvent answer = effect is SyncSendPull pull ? new SyncPullAnswered(number, Answer(pull.Pull)) : new SyncPushAnswered(number, server.Answer(((SyncSendPush)effect).Push));
            if (effect is SyncSendPush) harness.Pushed();
            Deliver(() => answered(answer));
        });
    }

    /// <summary>By bytes, as over a wire.</summary>
    private SyncAnswer Answer(SyncPull pull)
    {
        var bytes = new ArrayBufferWriter<byte>();
        SyncCodec.Write(bytes, pull);
        SyncAnswer answer = server.Answer(SyncCodec.ReadPull(bytes.WrittenSpan));
        bytes = new ArrayBufferWriter<byte>();
        SyncCodec.Write(bytes, answer);
        return SyncCodec.ReadAnswer(bytes.WrittenSpan);
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
