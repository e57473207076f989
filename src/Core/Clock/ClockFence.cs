using System.Diagnostics;

namespace Tidemark;

/// <summary>The words a clock may give out: up to a bound that was persisted before, and is moved ahead while half the room below it is left.</summary>
/// <remarks>
/// How far ahead the bound is set decides how far a restart, which starts at the bound, puts the clock before physical time:
/// <list type="bullet">
/// <item>normally one step before physical time: half of the drift peers accept, so they never refuse a node for its own bound;</item>
/// <item>where the clock itself is that far ahead (a peer's lead, a wall clock set back), a little room before the clock. The room is no
/// more than this clock has lived, so a loop of crashes adds less than the time it takes, and the lead cannot grow.</item>
/// </list>
/// </remarks>
internal sealed class ClockFence
{
    private const ulong LeastRoom = 64UL << HybridTimestamp.CounterBits;   // 262,144 stamps. No restart takes less than 64 microseconds.
    private static readonly TimeSpan _longestStep = TimeSpan.FromSeconds(1);   // However large a drift peers accept.

    private readonly IClockBound? _store;
    private readonly ulong _step;
    private readonly ulong _born;
    private ulong _bound = ulong.MaxValue;   // Persisted. Only rises.
    private ulong _low = ulong.MaxValue;     // Above it, less than half of the room is left. Never above the bound.
    private ulong _wanted;                   // The highest word asked for near the bound: the next bound makes room for it.
    private int _extending;                  // 1 while one caller persists.

    public ClockFence(IClockBound? store, TimeSpan maxDrift, ulong born)
    {
        Step = TimeSpan.FromTicks(Math.Min(maxDrift.Ticks / 2, _longestStep.Ticks));
        _step = (ulong)(Step.Ticks / TimeSpan.TicksPerMicrosecond) << HybridTimestamp.CounterBits;
        _store = store;
        _born = born;
        if (store is not null) _bound = _low = store.Load().Value;
    }

    public TimeSpan Step { get; }

    public ulong Bound => Volatile.Read(ref _bound);

    public bool IsLow(ulong word) => word > Volatile.Read(ref _low);

    public void Want(ulong word) => InterlockedWord.Raise(ref _wanted, word);

    /// <summary>Persists a higher bound if half of the room there could be is gone. One caller at a time; others get false at once.</summary>
    public bool Extend(ulong physical, ulong last)
    {
        if (_store is null || Interlocked.Exchange(ref _extending, 1) != 0) return false;
        try
        {
            ulong clock = Math.Max(last, Volatile.Read(ref _wanted));
            ulong lived = physical > _born ? physical - _born : 0;
            ulong room = Math.Clamp(lived, LeastRoom, Math.Max(_step / 8, LeastRoom));
            ulong target = Math.Max(AddUpToMax(physical, _step), AddUpToMax(clock, room));
            ulong highest = Math.Max(physical, clock);
            bool extends = _bound < HalfWay(highest, target);
            if (extends)
            {
                _store.Persist(new HybridTimestamp(target));
                Volatile.Write(ref _bound, target);
            }
            // Low but not extended: a lead used the room up, and time must pass before there is more to gain.
            if (extends || highest > _low) Volatile.Write(ref _low, HalfWay(highest, _bound));
            Debug.Assert(_low <= _bound, "the bound is called low before it is reached");
            return extends;
        }
        finally
        {
            Volatile.Write(ref _extending, 0);
        }
    }

    private static ulong HalfWay(ulong from, ulong to) => from < to ? from + ((to - from) / 2) : to;

    private static ulong AddUpToMax(ulong word, ulong more) => more > ulong.MaxValue - word ? ulong.MaxValue : word + more;
}
