using Tidemark.Testing;

namespace Tidemark.Tests.Unit;

/// <summary>Alone: what listens to the clock's counters in another test does so on this thread.</summary>
[Collection(AloneDefinition.Name)]
public sealed class HybridClockFootprintTests
{
    [Fact]
    public void Stamps_are_given_without_allocating()
    {
        var clock = new HybridClock(new ManualTimeProvider());
        HybridTimestamp remote = clock.Now();
        for (int i = 0; i < 100; i++) remote = StampThreeWays(clock, remote);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10_000; i++) remote = StampThreeWays(clock, remote);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static HybridTimestamp StampThreeWays(HybridClock clock, HybridTimestamp remote)
    {
        clock.Now();
        clock.Reserve(3);
        return clock.Observe(remote);
    }
}
