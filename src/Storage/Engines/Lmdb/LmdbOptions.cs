namespace Tidemark;

/// <summary>How an <see cref="LmdbEngine"/> is opened.</summary>
public sealed record LmdbOptions
{
    /// <summary>The native library's path. Null: it is looked for. The first engine a process opens decides for all.</summary>
    public string? LibraryPath { get; init; }

    /// <summary>How many bytes the map begins with, 1 MiB or more. It is address space, not memory or disk, and doubles when it is full.</summary>
    /// <remarks>Default 64 GiB; 256 MiB on Windows, where the file is as long as the map, and in 32-bit processes.</remarks>
    public long MapBytes { get; init; } = Environment.Is64BitProcess && !OperatingSystem.IsWindows() ? 64L << 30 : 256L << 20;

    /// <summary>How many snapshots may be open at once. Default 1,024.</summary>
    public int MaxReaders { get; init; } = 1024;

    /// <summary>How long a map that must grow waits for open snapshots before the write is refused. Default 5 s.</summary>
    public TimeSpan GrowthWait { get; init; } = TimeSpan.FromSeconds(5);

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MapBytes, 1L << 20);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxReaders, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(GrowthWait, TimeSpan.Zero);
    }
}
