namespace Tidemark.Testing.Files;

/// <summary>What the file system and its open files share: the disk, the plan of its faults, and the lock around both.</summary>
internal sealed class FaultyDisk(DiskImage image, FaultPlan plan)
{
    private const int IoError = 5;

    public Lock Gate { get; } = new();

    public DiskImage Image => image;

    public FaultPlan Plan => plan;

    public long CapacityBytes { get; set; } = long.MaxValue;

    // Files that were deleted while open do not count: their room is free at once here.
    public long FreeBytes => CapacityBytes == long.MaxValue ? long.MaxValue / 2 : CapacityBytes - image.UsedBytes;

    /// <summary>Ends an operation the way it was decided.</summary>
    public void Finish(Verdict verdict, string path)
    {
        switch (verdict)
        {
            case Verdict.Failed: throw Failed(path);
            case Verdict.Full: throw new StoreFullException($"There is no room for '{path}' on the simulated disk.");
            case Verdict.Halfway: throw plan.Stopped();
        }
    }

    public static IOException Failed(string path) => new($"'{path}': the simulated disk reports an input/output error.", IoError);
}
