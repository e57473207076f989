using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Snapshots;
using Tidemark.Storage.State;
using Tidemark.Testing;

using static Tidemark.Tests.SnapshotHarness;

namespace Tidemark.Tests.Unit;

/// <summary>Work that nobody waits for rests, until somebody does.</summary>
public sealed class PaceTests
{
    private const int ManySteps = 1000;

    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(60);   // ManySteps rests take much longer.

    [Fact]
    public void It_rests_after_each_step_until_it_is_told_to_hurry()
    {
        var pace = new Pace(new SlowSteps());
        var worker = new Thread(() =>
        {
            for (int i = 0; i < ManySteps; i++) pace.Rest();
        });
        worker.Start();
        Assert.True(SpinWait.SpinUntil(() => worker.ThreadState.HasFlag(ThreadState.WaitSleepJoin), _deadline));
        pace.Hurry();
        Assert.True(worker.Join(_deadline));
    }

    [Fact]
    public void A_snapshot_at_a_pace_is_flushed_step_by_step_and_has_the_same_bytes()
    {
        byte[] atOnce = BytesOf(null, out int flushesAtOnce), paced = BytesOf(new Pace(TimeProvider.System), out int flushes);
        Assert.Equal(atOnce, paced);
        Assert.Equal((1, 5), (flushesAtOnce, flushes));   // After every second piece, and at the end.

        byte[] BytesOf(Pace? pace, out int flushed)
        {
            var disk = new FaultyFileSystem();
            disk.CreateDirectory(Place);
            int count = 0;
            disk.BeforeOperation = operation => count += operation.Kind == DiskOperationKind.Flush ? 1 : 0;
            SnapshotWriter.Write(disk, Place, Identity, StateAt(9, pieces: 8, pieceBytes: 700_000), pace);
            flushed = count;
            return ReadFile(disk, PathOf(10));
        }
    }

    [Theory]
    [InlineData(100, false, false)]
    [InlineData(101, false, true)]
    [InlineData(0, true, true)]
    public void A_job_hurries_once_more_was_applied_than_it_has_patience_for_or_the_disk_is_full(long applied, bool isFull, bool hurries)
    {
        Pace? given = null;
        Action? begun = null;
        var jobs = new StateJobs(static _ => { }, TimeProvider.System) { Ended = static (_, _, _) => { }, Runner = run => begun = run };
        Assert.True(jobs.TryBegin(new OneJob(pace => given = pace), 0, isClosing: false));
        begun!();
        jobs.HurryIfDue(applied, isFull);
        Assert.Equal(hurries, given!.IsHurried);
    }

    [Fact]
    public void Who_waits_for_a_job_hurries_it()
    {
        Thread? worker = null;
        var jobs = new StateJobs(static _ => { }, new SlowSteps())
        {
            Ended = static (_, _, _) => { },
            Runner = run =>
            {
                worker = new Thread(() => run());
                worker.Start();
            },
        };
        jobs.TryBegin(new OneJob(static pace =>
        {
            for (int i = 0; i < ManySteps; i++) pace!.Rest();
        }), 0, isClosing: false);
        var waiter = new Thread(jobs.Wait);
        waiter.Start();
        Assert.True(waiter.Join(_deadline));
        worker!.Join();
    }

    [Fact]
    public void A_job_that_runs_here_and_now_has_no_pace()
    {
        Pace? given = new(TimeProvider.System);
        var jobs = new StateJobs(static _ => { }, TimeProvider.System) { Ended = static (_, _, _) => { } };
        Assert.True(jobs.TryBegin(new OneJob(pace => given = pace), 0, isClosing: false));
        Assert.Null(given);
    }

    /// <summary>Each look at the stopwatch is an hour after the one before.</summary>
    private sealed class SlowSteps : TimeProvider
    {
        private long _now;

        public override long GetTimestamp() => Interlocked.Add(ref _now, TimestampFrequency * 3600);
    }

    private sealed class OneJob(Action<Pace?> work) : IStateKeeper
    {
        public long NeededFrom => 0;

        public bool IsBehind => false;

        public StateJob? Begin(long logBytes, bool isClosing) => new(0, 100, work);

        public IStateSnapshot TakeOffer() => throw new NotSupportedException();

        public void End(StateJob job)
        {
        }

        public void Dispose()
        {
        }
    }
}
