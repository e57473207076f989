using FsCheck;
using FsCheck.Fluent;
using Tidemark.Testing;

namespace Tidemark.Tests.Properties;

public sealed class HybridClockProperties
{
    private const long Base = 1_900_000_000_000_000;

    private enum Act
    {
        Now,
        Observe,
        Adopt,
        Reserve,
    }

    // Few microseconds and few counters, so that ties of all three clocks are common.
    private static readonly Arbitrary<List<Step>> _steps = (
        from act in Gen.Frequency((3, Gen.Constant(Act.Now)), (6, Gen.Constant(Act.Observe)), (1, Gen.Constant(Act.Adopt)), (1, Gen.Constant(Act.Reserve)))
        from wall in Gen.Choose(-3, 4)
        from ahead in Gen.Frequency((9, Gen.Choose(-3, 5)), (1, Gen.Choose(900, 1100)))
        from counter in Gen.Frequency((8, Gen.Choose(0, 4)), (1, Gen.Choose(4090, 4095)))
        from count in Gen.Choose(1, 5000)
        select new Step(act, wall, ahead, counter, count)).ListOf().Select(list => list.ToList()).ToArbitrary();

    private sealed record Step(Act Act, long WallStep, long Ahead, int Counter, int Count);

    /// <summary>The algorithm as the paper prints it: four branches on a pair. A counter above 4095 carries into the next microsecond.</summary>
    private sealed class PaperClock
    {
        public long Time { get; private set; }

        public long Count { get; private set; }

        public HybridTimestamp Stamp => HybridTimestamp.FromParts(Time, (int)Count);

        public void Local(long physical)
        {
            long time = Math.Max(Time, physical);
            Set(time, time == Time ? Count + 1 : 0);
        }

        public void Receive(long physical, long remoteTime, long remoteCount)
        {
            long time = Math.Max(Math.Max(Time, remoteTime), physical);
            if (time == Time && time == remoteTime) Set(time, Math.Max(Count, remoteCount) + 1);
            else if (time == Time) Set(time, Count + 1);
            else if (time == remoteTime) Set(time, remoteCount + 1);
            else Set(time, 0);
        }

        public void Set(long time, long count)
        {
            Time = time + (count / 4096);
            Count = count % 4096;
        }
    }

    [Fact]
    public void The_clock_does_what_the_paper_says_on_any_sequence()
        => Prop.ForAll(_steps, steps =>
        {
            var time = new ManualTimeProvider();
            var clock = new HybridClock(time, new HybridClockOptions { MaxDrift = TimeSpan.FromMilliseconds(1) });
            var paper = new PaperClock();
            long wall = Base;
            foreach (Step step in steps)
            {
                wall += step.WallStep;
                time.SetUtcNow(DateTimeOffset.UnixEpoch.AddMicroseconds(wall));
                HybridTimestamp remote = HybridTimestamp.FromParts(wall + step.Ahead, step.Counter);
                HybridTimestamp before = clock.Last;
                bool agree = true;
                switch (step.Act)
                {
                    case Act.Now:
                        paper.Local(wall);
                        HybridTimestamp now = clock.Now();
                        agree = now == paper.Stamp && now > before && now.UnixMicroseconds >= wall;
                        break;
                    case Act.Observe when step.Ahead > 1000:
                        agree = !clock.TryObserve(remote, out _, out TimeSpan drift) && drift == TimeSpan.FromMicroseconds(step.Ahead);
                        break;
                    case Act.Observe:
                        paper.Receive(wall, remote.UnixMicroseconds, remote.Counter);
                        HybridTimestamp received = clock.Observe(remote);
                        agree = received == paper.Stamp && received > before && received > remote && received.UnixMicroseconds >= wall;
                        break;
                    case Act.Adopt:
                        if (remote > paper.Stamp) paper.Set(remote.UnixMicroseconds, remote.Counter);
                        clock.Adopt(remote);
                        break;
                    case Act.Reserve:
                        paper.Local(wall);
                        agree = clock.Reserve(step.Count) == paper.Stamp;
                        paper.Set(paper.Time, paper.Count + step.Count - 1);
                        break;
                }
                if (!agree || clock.Last != (paper.Time == 0 ? default : paper.Stamp)) return false;
            }
            return true;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Nodes_that_gossip_stamp_every_effect_after_its_cause()
    {
        // Each step: one node sends to another; walls run at their own skew and sometimes step.
        Arbitrary<List<(int From, int To, int Step)>> gossip = (
            from a in Gen.Choose(0, 2)
            from b in Gen.Choose(0, 2)
            from step in Gen.Choose(-50, 100)
            select (a, b, step)).ListOf().Select(list => list.ToList()).ToArbitrary();
        Prop.ForAll(gossip, messages =>
        {
            ManualTimeProvider[] walls = [.. Enumerable.Range(0, 3).Select(_ => new ManualTimeProvider())];
            HybridClock[] nodes = [.. walls.Select(wall => new HybridClock(wall))];
            foreach ((int from, int to, int step) in messages)
            {
                walls[from].SetUtcNow(walls[from].GetUtcNow().AddMicroseconds(step));
                HybridTimestamp earlier = nodes[to].Last;
                HybridTimestamp sent = nodes[from].Now();
                HybridTimestamp received = nodes[to].Observe(sent);
                if (received <= sent || received <= earlier || received != nodes[to].Last) return false;
            }
            return true;
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Threads_on_one_clock_get_distinct_stamps_each_in_rising_order(bool wallStandsStill)
    {
        const int Threads = 4;
        const int Calls = 20_000;
        var time = new ManualTimeProvider();
        var clock = new HybridClock(time);
        var taken = new List<HybridTimestamp>[Threads];
        using var start = new Barrier(Threads);
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(t => new Thread(() =>
        {
            var own = new List<HybridTimestamp>(2 * Calls);
            start.SignalAndWait();
            for (int i = 0; i < Calls; i++)
            {
                if (!wallStandsStill && i % 64 == t) time.Advance(TimeSpan.FromMicroseconds(1));
                if (i % 3 == 0) own.Add(clock.Now());
                else if (i % 3 == 1) own.Add(clock.Observe(own[^1]));
                else own.AddRange(Run(clock.Reserve(4), 4));
            }
            taken[t] = own;
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();

        Assert.All(taken, own => Assert.All(own.Zip(own.Skip(1)), pair => Assert.True(pair.First < pair.Second)));
        List<HybridTimestamp> all = [.. taken.SelectMany(own => own)];
        Assert.Equal(all.Count, all.Distinct().Count());
        Assert.Equal(clock.Last, all.Max());
    }

    private static IEnumerable<HybridTimestamp> Run(HybridTimestamp first, int count)
        => Enumerable.Range(0, count).Select(i => first.Next(i));
}
