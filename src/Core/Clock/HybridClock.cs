using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;

namespace Tidemark;

/// <summary>
/// Gives out timestamps that stay close to physical time, strictly increase on this node and are above every timestamp
/// the node has heard of, so an effect is always stamped after its cause.
/// </summary>
/// <remarks>
/// Safe for concurrent calls. A stamp costs one reading of the <see cref="TimeProvider"/> and one compare-and-swap; nothing allocates.
/// The algorithm is that of Kulkarni, Demirbas et al., "Logical Physical Clocks" (2014), on one packed word, where its four
/// branches become one comparison and a full counter carries by itself. How it is used: docs/clock.md.
/// </remarks>
public sealed class HybridClock
{
    /// <summary>The longest run <see cref="Reserve"/> gives at once; it moves the clock ahead by 256 microseconds at most.</summary>
    public const int MaxReservedCount = 1 << 20;

    private static readonly Counter<long> _driftRefusals = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.ClockDriftRefusals, "{timestamp}", "Remote timestamps refused for being too far ahead of physical time.");

    private readonly TimeProvider _time;
    private readonly ClockFence _fence;
    private readonly long _maxDriftMicroseconds;
    private ulong _last;   // The highest word given out, heard of or adopted. Only rises.

    /// <summary>Makes a clock without memory: after a restart it relies on physical time, or on <see cref="Adopt"/>.</summary>
    /// <param name="time">The physical clock. It may step back; it must read 1970 to 2112.</param>
    /// <param name="options">Settings, or null for the defaults.</param>
    public HybridClock(TimeProvider time, HybridClockOptions? options = null)
        : this(time, options, bound: null)
    {
    }

    /// <summary>Makes a clock that never goes back across restarts: it starts above the persisted bound and stays below the next one.</summary>
    /// <param name="time">The physical clock. It may step back; it must read 1970 to 2112.</param>
    /// <param name="options">Settings, or null for the defaults.</param>
    /// <param name="bound">Where the bound is kept, or null for none. It is read and extended before this returns; its errors come through.</param>
    /// <remarks>From then on <see cref="ExtendBound"/> must be called in time, by a clock bound extender or by the host's own loop.</remarks>
    public HybridClock(TimeProvider time, HybridClockOptions? options, IClockBound? bound)
    {
        ArgumentNullException.ThrowIfNull(time);
        options ??= new HybridClockOptions();
        options.Validate();
        _time = time;
        MaxDrift = options.MaxDrift;
        _maxDriftMicroseconds = MaxDrift.Ticks / TimeSpan.TicksPerMicrosecond;
        _fence = new ClockFence(bound, MaxDrift, born: bound is null ? 0 : ReadPhysical());
        if (bound is null) return;
        _last = _fence.Bound;   // Some stamp below it may have been given out; none above it was.
        ExtendBound();
    }

    /// <summary>Raised on the caller's thread, before it gets its stamp, while half of the room below the bound is used up.</summary>
    /// <remarks>A handler must be quick and must not throw: it wakes whoever calls <see cref="ExtendBound"/>.</remarks>
    public event EventHandler? BoundRunsLow;

    /// <summary>How far ahead of the physical clock a remote timestamp may be.</summary>
    public TimeSpan MaxDrift { get; }

    /// <summary>The highest timestamp given out, observed or adopted so far. Reading it moves nothing.</summary>
    public HybridTimestamp Last => new(Volatile.Read(ref _last));

    /// <summary>The highest timestamp that may be given out before <see cref="ExtendBound"/>; <see cref="HybridTimestamp.MaxValue"/> without a bound.</summary>
    public HybridTimestamp Bound => new(_fence.Bound);

    /// <summary>Whether half of the room below the bound is used up, so that <see cref="ExtendBound"/> should be called.</summary>
    public bool BoundNeedsExtension => _fence.IsLow(Math.Max(ReadPhysical(), Volatile.Read(ref _last)));

    /// <summary>How long one extension lasts, at most.</summary>
    internal TimeSpan BoundStep => _fence.Step;

    /// <summary>A timestamp for a local event or a message to send: above all before it, and not below physical time.</summary>
    /// <exception cref="ClockBoundException">The persisted bound is used up. Transient: it passes with the next <see cref="ExtendBound"/>.</exception>
    /// <exception cref="OverflowException">Physical time is outside 1970 to 2112, or the last timestamp there is was reached.</exception>
    /// <remarks>While physical time is beyond the bound, stamps stop following it and count on from the last.</remarks>
    public HybridTimestamp Now() => Tick(ReadPhysical(), heard: 0, more: 0);

    /// <summary>Moves the clock past a timestamp from another node and returns the stamp of its receipt.</summary>
    /// <param name="remote">As received.</param>
    /// <returns>Above <paramref name="remote"/> and above all stamps before it.</returns>
    /// <exception cref="ClockDriftException">The timestamp is more than <see cref="MaxDrift"/> ahead of physical time. The clock was not moved.</exception>
    /// <exception cref="ClockBoundException">As for <see cref="Now"/>. The clock was not moved; the next extension makes room.</exception>
    public HybridTimestamp Observe(HybridTimestamp remote)
        => TryObserve(remote, out HybridTimestamp now, out TimeSpan drift) ? now : throw new ClockDriftException(drift, MaxDrift);

    /// <summary>As <see cref="Observe"/>, but answers false where the timestamp is too far ahead, and says by how much either way.</summary>
    /// <param name="remote">As received.</param>
    /// <param name="now">The stamp of the receipt; <c>default</c> where the answer is false.</param>
    /// <param name="drift">How far <paramref name="remote"/> is ahead of this node's physical clock; negative where it is behind.</param>
    /// <exception cref="ClockBoundException">As for <see cref="Now"/>. The clock was not moved; the next extension makes room.</exception>
    /// <remarks>
    /// Drift is measured against the physical clock, not against <see cref="Last"/>: else a chain of messages, each just inside the
    /// limit, would walk all clocks ahead without end.
    /// </remarks>
    public bool TryObserve(HybridTimestamp remote, out HybridTimestamp now, out TimeSpan drift)
    {
        ulong physical = ReadPhysical();
        long ahead = remote.UnixMicroseconds - (long)(physical >> HybridTimestamp.CounterBits);
        drift = new TimeSpan(ahead * TimeSpan.TicksPerMicrosecond);
        bool accepted = ahead <= _maxDriftMicroseconds;
        now = accepted ? Tick(physical, remote.Value, more: 0) : default;
        if (!accepted) _driftRefusals.Add(1);
        return accepted;
    }

    /// <summary>Takes a run of timestamps at once, for a batch.</summary>
    /// <param name="count">1 to <see cref="MaxReservedCount"/>.</param>
    /// <returns>The first; the others are <see cref="HybridTimestamp.Next(long)"/> of 1 to <paramref name="count"/> - 1. Nobody else gets them.</returns>
    /// <exception cref="ClockBoundException">As for <see cref="Now"/>. Nothing was taken.</exception>
    public HybridTimestamp Reserve(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MaxReservedCount);
        return Tick(ReadPhysical(), heard: 0, more: (uint)count - 1);
    }

    /// <summary>Makes all later stamps higher than one that stands in a log already. Never refused, whatever its drift; gives out no stamp.</summary>
    /// <remarks>What is in a log was accepted once. Refusing it now would let its successor be stamped before it.</remarks>
    public void Adopt(HybridTimestamp logged)
    {
        InterlockedWord.Raise(ref _last, logged.Value);
        if (_fence.IsLow(logged.Value)) BoundRunsLow?.Invoke(this, EventArgs.Empty);
    }

    /// <summary>The true times a timestamp may stand for in a cluster whose clocks keep within <see cref="MaxDrift"/>.</summary>
    public UncertaintyInterval GetUncertainty(HybridTimestamp timestamp) => timestamp.GetUncertainty(MaxDrift);

    /// <summary>Persists a bound further ahead and lets the clock go up to it. Blocks on the disk; the other methods never do.</summary>
    /// <returns>Whether the bound rose: false without a bound, while another call extends it, and while half of the room is left.</returns>
    /// <remarks>What <see cref="IClockBound.Persist"/> throws comes through, and the bound stays. The next call tries again.</remarks>
    public bool ExtendBound() => _fence.Extend(ReadPhysical(), Volatile.Read(ref _last));

    /// <summary>One step: the physical time if it is above all that is known, else one more than the highest known.</summary>
    /// <param name="physical">A word with counter 0.</param>
    /// <param name="heard">A remote word to exceed, or 0. Whole words are compared: comparing physical parts first forgets the tie.</param>
    /// <param name="more">How many stamps to take after the one returned.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private HybridTimestamp Tick(ulong physical, ulong heard, uint more)
    {
        ulong last = Volatile.Read(ref _last);
        while (true)
        {
            ulong highest = Math.Max(last, heard);
            ulong first = physical > highest ? physical : highest + 1;
            ulong end = first + more;
            bool wraps = first == 0 || end < first;
            if (wraps || _fence.IsLow(end))
            {
                first = NearBound(physical, highest, more);
                end = first + more;
            }
            ulong seen = Interlocked.CompareExchange(ref _last, end, last);
            if (seen == last) return new HybridTimestamp(first);
            last = seen;
        }
    }

    private ulong NearBound(ulong physical, ulong highest, uint more)
    {
        if (ulong.MaxValue - highest <= more) HybridTimestamp.ThrowNothingAfter();
        _fence.Want(highest + more);
        BoundRunsLow?.Invoke(this, EventArgs.Empty);
        ulong bound = _fence.Bound;
        if (physical > highest && physical <= bound && bound - physical >= more) return physical;
        // Beyond the bound physical time stands still, and counting on uses what is left below it.
        if (highest < bound && bound - highest > more) return highest + 1;
        throw new ClockBoundException(
            $"The clock may not pass {new HybridTimestamp(bound)} before a higher bound is persisted. Try again after the next "
            + $"{nameof(ExtendBound)}; if that does not come or fails, look for errors of the disk that holds the bound.");
    }

    private ulong ReadPhysical()
    {
        ulong microseconds = (ulong)(_time.GetUtcNow().UtcTicks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;   // Before 1970: huge.
        if (microseconds > HybridTimestamp.MaxUnixMicroseconds) ThrowOutsideRange();
        return microseconds << HybridTimestamp.CounterBits;
    }

    [DoesNotReturn]
    private void ThrowOutsideRange() => throw new OverflowException(
        $"The physical clock reads {_time.GetUtcNow():O}; a hybrid timestamp holds 1970-01-01 to {HybridTimestamp.MaxValue.Physical:O}. Set the clock.");
}
