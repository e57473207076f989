using Tidemark.Storage.Files;
using Tidemark.Testing.Files;

namespace Tidemark.Testing;

/// <summary>A disk in memory that fails, stops and loses power on request, and knows exactly what would be left.</summary>
/// <remarks>
/// <para>
/// It keeps for every file the bytes on stable storage and, in order, the writes and lengths that no flush has saved; for the
/// directories the names on stable storage and the creations, renames and removals that no directory flush has saved. From
/// these, <see cref="Crash"/> and <see cref="CrashStates"/> build disks as a power cut may leave them, and <see cref="ProcessKill"/>
/// the one that the death of the process leaves.
/// </para>
/// <para>
/// The same seed and the same calls give the same faults and the same disks. Safe for concurrent calls, but then the
/// order of the calls, and with it what happens, is up to the threads. Reads never return less than asked before the
/// end of the file, since <see cref="IFile.Read"/> rules that out.
/// </para>
/// </remarks>
public sealed class FaultyFileSystem : IFileSystem
{
    private readonly FaultyDisk _disk;
    private readonly DiskImage _image;
    private readonly FaultPlan _plan;
    private readonly Lock _gate;
    private readonly HeldLocks _locks = new();
    private readonly long _seed;
    private long _crashes;

    /// <summary>Creates an empty disk without faults.</summary>
    /// <param name="seed">Decides all that chance decides on this disk and those that come from its crashes.</param>
    public FaultyFileSystem(long seed = 0)
        : this(seed, new DiskImage(), new FaultCounts())
    {
    }

    private FaultyFileSystem(long seed, DiskImage image, FaultCounts counts)
    {
        _seed = seed;
        _disk = new FaultyDisk(image, new FaultPlan(seed, counts));
        (_image, _plan, _gate) = (_disk.Image, _disk.Plan, _disk.Gate);
    }

    /// <summary>How long all files may be together, in bytes. May be changed at any time, also to less than is used.</summary>
    public long CapacityBytes
    {
        get => _disk.CapacityBytes;
        set => _disk.CapacityBytes = value;
    }

    /// <summary>How many operations that change the disk were begun. They count from 1; reads, openings and locks that create nothing do not count.</summary>
    public long OperationCount
    {
        get
        {
            lock (_gate) return _plan.Operations;
        }
    }

    /// <summary>Whether the disk does nothing any more.</summary>
    internal bool IsStopped
    {
        get
        {
            lock (_gate) return _plan.IsStopped;
        }
    }

    /// <summary>Called before every operation that changes the disk; it may build crash states, plan faults or stop the disk.</summary>
    public Action<DiskOperation>? BeforeOperation
    {
        get => _plan.Observer;
        set => _plan.Observer = value;
    }

    /// <summary>How often each kind of fault happened here and on all disks of the same origin.</summary>
    public FaultCounts Counts => _plan.Counts;

    /// <summary>The last 4,096 operations that changed the disk, one a line, with what became of them.</summary>
    public string Trace
    {
        get
        {
            lock (_gate) return _plan.TraceText();
        }
    }

    /// <summary>How many writes and lengths in files that have a name are not on stable storage.</summary>
    public int UnsyncedWrites
    {
        get
        {
            lock (_gate) return _image.Names.All().Sum(item => item.File.Unsynced.Count);
        }
    }

    /// <summary>How many creations, renames and removals are not on stable storage.</summary>
    public int UnsyncedNames
    {
        get
        {
            lock (_gate) return _image.UnsyncedNames.Count;
        }
    }

    /// <summary>Makes one operation fail, once.</summary>
    /// <param name="kind">One of the kinds from <see cref="FaultKind.ReadError"/> to <see cref="FaultKind.DiskFull"/>.</param>
    /// <param name="nth">Which of the operations from now on that can fail this way: 1 for the next.</param>
    public void Fail(FaultKind kind, long nth = 1)
    {
        RequirePlannable(kind);
        ArgumentOutOfRangeException.ThrowIfLessThan(nth, 1);
        lock (_gate) _plan.FailNth(kind, nth);
    }

    /// <summary>Makes every operation that can fail this way do so with a probability; 0 ends it.</summary>
    /// <param name="kind">One of the kinds from <see cref="FaultKind.ReadError"/> to <see cref="FaultKind.DiskFull"/>.</param>
    /// <param name="probability">From 0, never, to 1, always.</param>
    public void FailWithProbability(FaultKind kind, double probability)
    {
        RequirePlannable(kind);
        if (probability is not (>= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(probability), probability, "From 0 to 1.");
        lock (_gate) _plan.FailWithProbability(kind, probability);
    }

    /// <summary>Stops the disk at an operation: it and everything after it throw <see cref="SimulatedCrashException"/>.</summary>
    /// <param name="operation">The operation's number: <see cref="OperationCount"/> when it is begun. 0 takes the order back.</param>
    /// <param name="moment">Whether a part of its effect is done.</param>
    public void StopAt(long operation, StopMoment moment = StopMoment.Before)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(operation);
        lock (_gate) _plan.StopAt(operation, moment);
    }

    /// <summary>Stops the disk now.</summary>
    public void Stop()
    {
        lock (_gate) _plan.Stop();
    }

    /// <summary>Turns a stored bit over, for programs and on stable storage alike.</summary>
    /// <param name="path">The file.</param>
    /// <param name="position">The byte, within the file.</param>
    /// <param name="bit">The bit, 0 for the lowest.</param>
    public void FlipBit(string path, long position, int bit)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)bit, 7u, nameof(bit));
        lock (_gate)
        {
            FileImage file = _image.Names.FindToOpen(FilePlace.Of(path), FileOpenMode.Existing)!;
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)position, (ulong)file.Length, nameof(position));
            file.FlipBit(position, bit);
            Counts.Add(FaultKind.BitFlip);
        }
    }

    /// <summary>Cuts the power: a new disk with what may be left. This one goes on as it is; call it as often as you like.</summary>
    /// <param name="loss">How much of what was not flushed is lost.</param>
    public CrashState Crash(CrashLoss loss = CrashLoss.Some)
    {
        Survival survival = loss switch
        {
            CrashLoss.Everything => Survival.None,
            CrashLoss.Nothing => Survival.All,
            _ => Survival.Chance,
        };
        lock (_gate) return Cut(survival, survival, SeededChance.For(_seed, 2, _plan.Operations, ++_crashes));
    }

    /// <summary>Disks as a power cut may leave them: first the extremes, then what chance finds.</summary>
    /// <param name="count">How many. Different ones may hold the same where little is unsynced.</param>
    /// <returns>
    /// Built one by one as they are asked for, from this disk at that moment. The first four: everything lost, nothing
    /// lost, names kept but no bytes, bytes kept but no names.
    /// </returns>
    public IEnumerable<CrashState> CrashStates(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        return States();

        IEnumerable<CrashState> States()
        {
            for (int i = 0; i < count; i++)
            {
                (Survival names, Survival bytes) = i switch
                {
                    0 => (Survival.None, Survival.None),
                    1 => (Survival.All, Survival.All),
                    2 => (Survival.All, Survival.None),
                    3 => (Survival.None, Survival.All),
                    _ => (Survival.Chance, Survival.Chance),
                };
                CrashState state;
                lock (_gate) state = Cut(names, bytes, SeededChance.For(_seed, 3, _plan.Operations, i));
                yield return state;
            }
        }
    }

    /// <summary>Kills the process: a new disk with all that was written, since the system's cache outlives it, and still unsynced.</summary>
    public FaultyFileSystem ProcessKill()
    {
        lock (_gate)
        {
            long seed = (long)SeededChance.For(_seed, 4, _plan.Operations, ++_crashes).Next();
            return new FaultyFileSystem(seed, _image.Copy(), Counts) { CapacityBytes = CapacityBytes };
        }
    }

    /// <inheritdoc/>
    public void CreateDirectory(string path)
    {
        lock (_gate)
        {
            _plan.ThrowIfStopped();
            foreach (string directory in _image.Names.MissingDirectories(path))
            {
                var operation = new DiskOperation(0, DiskOperationKind.CreateDirectory, directory);
                Verdict verdict = _plan.Begin(operation, FaultKind.DirectoryFlushError);
                _image.CreateDirectory(directory, flushed: verdict == Verdict.Done);
                _disk.Finish(verdict, directory);
            }
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ListFiles(string directory)
    {
        lock (_gate)
        {
            _plan.ThrowIfStopped();
            return _image.Names.List(directory);
        }
    }

    /// <inheritdoc/>
    public bool FileExists(string path)
    {
        lock (_gate)
        {
            _plan.ThrowIfStopped();
            return _image.Names.Find(FilePlace.Of(path)) is not null;
        }
    }

    /// <inheritdoc/>
    public IFile Open(string path, FileOpenMode mode)
    {
        var place = FilePlace.Of(path);
        lock (_gate) return new FaultyFile(_disk, place.ToString(), OpenImage(place, mode));
    }

    /// <inheritdoc/>
    public void Move(string source, string destination)
    {
        (FilePlace from, FilePlace to) = (FilePlace.Of(source), FilePlace.Of(destination));
        lock (_gate)
        {
            _plan.ThrowIfStopped();
            FileImage file = _image.Names.FindToMove(from, to);
            if (from == to) return;
            var operation = new DiskOperation(0, DiskOperationKind.Rename, from.ToString(), Target: to.ToString());
            Verdict verdict = _plan.Begin(operation, FaultKind.RenameError);
            if (verdict != Verdict.Failed) _image.Move(from, to, file);
            _disk.Finish(verdict, from.ToString());
        }
    }

    /// <inheritdoc/>
    public void Delete(string path)
    {
        var place = FilePlace.Of(path);
        lock (_gate)
        {
            _plan.ThrowIfStopped();
            if (_image.Names.FindToDelete(place) is not { } file) return;
            Verdict verdict = _plan.Begin(new DiskOperation(0, DiskOperationKind.Delete, place.ToString()), FaultKind.DeleteError);
            if (verdict != Verdict.Failed) _image.Delete(place, file);
            _disk.Finish(verdict, place.ToString());
        }
    }

    /// <inheritdoc/>
    public void FlushDirectory(string path)
    {
        lock (_gate)
        {
            _plan.ThrowIfStopped();
            string directory = _image.Names.RequireDirectory(path);
            Verdict verdict = _plan.Begin(new DiskOperation(0, DiskOperationKind.FlushDirectory, directory), FaultKind.DirectoryFlushError);
            IReadOnlyList<NameChange> changes = _image.UnsyncedNamesIn(directory);
            if (verdict == Verdict.Failed) Counts.Add(FaultKind.LostByFlush, _image.LoseNames(changes));
            else _image.FlushNames(verdict == Verdict.Halfway ? changes.Take(_plan.SomeOf(changes.Count)) : changes);
            _disk.Finish(verdict, directory);
        }
    }

    /// <inheritdoc/>
    public IDisposable Lock(string path)
    {
        var place = FilePlace.Of(path);
        lock (_gate) OpenImage(place, FileOpenMode.ExistingOrNew);
        return _locks.Take(place);
    }

    /// <inheritdoc/>
    public void ThrowIfLocked(string path) => _locks.ThrowIfHeld(FilePlace.Of(path));

    private FileImage OpenImage(FilePlace place, FileOpenMode mode)
    {
        _plan.ThrowIfStopped();
        FileImage? file = _image.Names.FindToOpen(place, mode);
        if (file is not null) return _plan.Hits(FaultKind.OpenError) ? throw FaultyDisk.Failed(place.ToString()) : file;
        var operation = new DiskOperation(0, DiskOperationKind.Create, place.ToString());
        Verdict verdict = _plan.Begin(operation, FaultKind.OpenError, hasRoom: true);
        if (verdict is Verdict.Done or Verdict.Halfway) file = _image.Create(place);
        _disk.Finish(verdict, place.ToString());
        return file!;
    }

    private CrashState Cut(Survival names, Survival bytes, SeededChance chance)
    {
        var cut = new PowerCut(_image, chance, Counts);
        DiskImage left = cut.Cut(names, bytes);
        return new CrashState(new FaultyFileSystem((long)chance.Next(), left, Counts) { CapacityBytes = CapacityBytes }, cut.Description);
    }

    private static void RequirePlannable(FaultKind kind)
    {
        if (kind is < FaultKind.ReadError or > FaultKind.DiskFull)
            throw new ArgumentOutOfRangeException(nameof(kind), kind, "Only errors and a full disk can be planned; the rest comes from crashes.");
    }
}
