using System.Runtime.CompilerServices;

namespace Tidemark.Tests.Contracts;

/// <summary>The ways in which a status store may be wrong.</summary>
public enum StatusStoreFlaw
{
    BeginsWithAnEmptyDocument,
    FirstWriteReplaces,
    ReadsAreOneBehind,
    OlderVersionsAreGoodEnough,
    EqualContentIsNotWritten,
    KeepsTheCallersBuffer,
    CutsLongContent,
    TellsLosersThatTheyWon,
    IgnoresCancellation,
    WatchBeginsWithTheNextChange,
    WatchEndsWithoutADocument,
    WatchLagsOneBehind,
    WatchIgnoresWhatIsKnown,
    WatchSeesOnlyWhatComesWhileItWaits,
    WatchTellsOfRefusedWrites,
    WatchesShareTheChanges,
    WatchIgnoresCancellation,
}

/// <summary>A status store with one flaw.</summary>
internal sealed class FlawedStatusStore(StatusStoreFlaw flaw) : IClusterStatusStore
{
    private readonly Lock _gate = new();
    private ClusterStatusEntry? _entry = flaw == StatusStoreFlaw.BeginsWithAnEmptyDocument ? new ClusterStatusEntry(default, 0) : null;
    private ClusterStatusEntry? _before;
    private long _taken;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (flaw != StatusStoreFlaw.IgnoresCancellation) cancellationToken.ThrowIfCancellationRequested();
        lock (_gate) return new ValueTask<ClusterStatusEntry?>(flaw == StatusStoreFlaw.ReadsAreOneBehind ? _before ?? _entry : _entry);
    }

    public ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default)
    {
        if (flaw != StatusStoreFlaw.IgnoresCancellation) cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            long version = _entry?.Version ?? 0;
            if (!Fits(expectedVersion, version))
            {
                if (flaw == StatusStoreFlaw.WatchTellsOfRefusedWrites) Change(new ClusterStatusEntry(content.ToArray(), version + 1));
                return new ValueTask<long?>(flaw == StatusStoreFlaw.TellsLosersThatTheyWon && expectedVersion == version - 1 ? version : null);
            }

            if (flaw == StatusStoreFlaw.EqualContentIsNotWritten && _entry is { } entry && entry.Content.Span.SequenceEqual(content.Span)) return new ValueTask<long?>(version);
            ReadOnlyMemory<byte> kept = flaw == StatusStoreFlaw.KeepsTheCallersBuffer ? content : content.ToArray();
            if (flaw == StatusStoreFlaw.CutsLongContent) kept = kept[..Math.Min(kept.Length, 65_535)];
            Change(new ClusterStatusEntry(kept, version + 1));
            return new ValueTask<long?>(version + 1);
        }
    }

    public async IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        long after = flaw == StatusStoreFlaw.WatchIgnoresWhatIsKnown ? 0 : afterVersion;
        if (flaw == StatusStoreFlaw.WatchBeginsWithTheNextChange) after = _entry?.Version ?? 0;
        if (flaw == StatusStoreFlaw.WatchEndsWithoutADocument && _entry is null) yield break;
        while (true)
        {
            Task changed;
            ClusterStatusEntry? entry;
            lock (_gate)
            {
                (changed, entry) = (_changed.Task, flaw == StatusStoreFlaw.WatchLagsOneBehind && _entry?.Version > 1 ? _before : _entry);
                if (flaw == StatusStoreFlaw.WatchSeesOnlyWhatComesWhileItWaits) after = Math.Max(after, entry?.Version ?? 0);
                if (flaw == StatusStoreFlaw.WatchesShareTheChanges) after = Math.Max(after, _taken);
                if (entry?.Version > after) _taken = entry.Version;
            }

            if (entry is not null && entry.Version > after)
            {
                after = entry.Version;
                yield return entry;
                continue;
            }

            await changed.WaitAsync(flaw == StatusStoreFlaw.WatchIgnoresCancellation ? CancellationToken.None : cancellationToken);
            if (flaw != StatusStoreFlaw.WatchSeesOnlyWhatComesWhileItWaits) continue;
            after = _entry!.Version;
            yield return _entry;
        }
    }

    private bool Fits(long expected, long version) =>
        expected == version
        || (flaw == StatusStoreFlaw.FirstWriteReplaces && expected == 0)
        || (flaw == StatusStoreFlaw.OlderVersionsAreGoodEnough && expected > 0 && expected < version);

    private void Change(ClusterStatusEntry entry)
    {
        (_before, _entry) = (_entry, entry);
        TaskCompletionSource changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}
