using System.Text;
using Tidemark.Storage.Files;

namespace Tidemark.Testing.Files;

/// <summary>How much survives of one sort of unsynced changes.</summary>
internal enum Survival
{
    None,
    All,
    Chance,
}

/// <summary>Decides what of a disk is left after the power was cut.</summary>
/// <remarks>
/// Where chance decides: of the names, a prefix or any subset of the changes; of the bytes, any subset of the disk's newest
/// eight changes, and of the older ones all or none. A kept write may be torn at sectors of 512 bytes: a prefix or any subset of
/// them survives, also none while the length has grown. A rename is one step: never neither name, never both.
/// </remarks>
internal sealed class PowerCut(DiskImage disk, SeededChance chance, FaultCounts counts)
{
    public const int SectorBytes = 512;
    public const int NewestChanges = 8;

    private readonly StringBuilder _description = new();

    public string Description => _description.ToString();

    public DiskImage Cut(Survival ofNames, Survival ofBytes)
    {
        counts.Add(FaultKind.PowerCut);
        var names = new FileTree<FileImage>();
        DiskImage.CopyNames(disk.DurableNames, names, file => file);
        KeepNames(names, ofNames);

        HashSet<UnsyncedChange> kept = KeptChanges(names, ofBytes);
        var left = new DiskImage();
        DiskImage.CopyNames(names, left.Names, file => file);
        foreach ((FilePlace place, FileImage file) in names.All())
        {
            FileImage survivor = Survivor(place, file, kept, tear: ofBytes == Survival.Chance);
            left.Names.Put(place, survivor);
        }
        DiskImage.CopyNames(left.Names, left.DurableNames, file => file);
        return left;
    }

    private void KeepNames(FileTree<FileImage> names, Survival survival)
    {
        IReadOnlyList<NameChange> changes = disk.UnsyncedNames;
        bool inOrder = chance.Coin();
        int prefix = chance.Below(changes.Count + 1);
        int kept = 0;
        for (int i = 0; i < changes.Count; i++)
        {
            bool keep = survival switch
            {
                Survival.None => false,
                Survival.All => true,
                _ => inOrder ? i < prefix : chance.Coin(),
            };
            if (!keep) continue;
            changes[i].ApplyTo(names);
            kept++;
        }
        counts.Add(FaultKind.LostName, changes.Count - kept);
        if (changes.Count > 0) _description.Append($"kept {kept} of {changes.Count} changes of names");
    }

    private HashSet<UnsyncedChange> KeptChanges(FileTree<FileImage> names, Survival survival)
    {
        UnsyncedChange[] changes = [.. names.All().SelectMany(item => item.File.Unsynced).OrderBy(change => change.Sequence)];
        if (survival == Survival.None) return [];
        if (survival == Survival.All) return [.. changes];
        int older = Math.Max(0, changes.Length - NewestChanges);
        var kept = new HashSet<UnsyncedChange>(chance.Coin() ? changes[..older] : []);
        kept.UnionWith(changes[older..].Where(_ => chance.Coin()));
        return kept;
    }

    private FileImage Survivor(FilePlace place, FileImage file, HashSet<UnsyncedChange> kept, bool tear)
    {
        PagedBytes bytes = file.CopyDurable();
        int whole = 0, torn = 0;
        foreach (UnsyncedChange change in file.Unsynced.Where(kept.Contains))
        {
            if (tear && change.Bytes is { } written && SectorCount(change.Position, written.Length) > 1 && chance.Coin())
            {
                Tear(bytes, change.Position, written);
                torn++;
            }
            else
            {
                change.ApplyTo(bytes);
                whole++;
            }
        }
        counts.Add(FaultKind.TornWrite, torn);
        counts.Add(FaultKind.LostWrite, file.Unsynced.Count - whole - torn);
        if (file.Unsynced.Count > 0)
            _description.Append($"; {place}: kept {whole} of {file.Unsynced.Count} writes{(torn > 0 ? $" and parts of {torn}" : "")}");
        return FileImage.Settled(bytes);
    }

    private void Tear(PagedBytes bytes, long position, byte[] written)
    {
        int sectors = SectorCount(position, written.Length);
        bool inOrder = chance.Coin();
        int prefix = chance.Below(sectors);
        int lost = chance.Below(sectors);   // At least this one, or the write would not be torn.
        ulong coins = 0;
        for (int i = 0, start = 0; i < sectors; i++)
        {
            int end = (int)Math.Min(written.Length, ((position / SectorBytes) + i + 1) * SectorBytes - position);
            if (i % 64 == 0) coins = chance.Next();
            bool keep = inOrder ? i < prefix : i != lost && (coins >> (i % 64) & 1) != 0;
            if (keep) bytes.Write(position + start, written.AsSpan(start, end - start));
            start = end;
        }
        bool grewFirst = chance.Coin();
        if (grewFirst && bytes.Length < position + written.Length) bytes.SetLength(position + written.Length);
    }

    private static int SectorCount(long position, int count) => (int)(((position + count - 1) / SectorBytes) - (position / SectorBytes) + 1);
}
