namespace Tidemark.Tests.Unit;

public sealed class MemoryFileSystemTests
{
    [Fact]
    public void A_write_beyond_the_capacity_is_refused_and_works_once_there_is_room()
    {
        var files = new MemoryFileSystem(capacityBytes: 1000);
        files.CreateDirectory("/d");
        using IFile file = files.Open("/d/a", FileOpenMode.New);
        using (IFile other = files.Open("/d/b", FileOpenMode.New)) other.SetLength(600);
        file.Write(0, new byte[400]);
        Assert.Throws<StoreFullException>(() => file.Write(399, new byte[2]));
        Assert.Throws<StoreFullException>(() => file.SetLength(401));
        Assert.Equal((400, 1000), (file.Length, files.UsedBytes));
        file.Write(0, new byte[400]);   // Overwriting takes no room.
        files.Delete("/d/b");
        file.Write(399, new byte[2]);
        Assert.Equal(401, files.UsedBytes);
    }

    [Fact]
    public void A_deleted_file_takes_room_until_its_last_handle_is_gone()
    {
        var files = new MemoryFileSystem();
        files.CreateDirectory("/d");
        using (IFile file = files.Open("/d/a", FileOpenMode.New))
        {
            file.SetLength(600);
            files.Delete("/d/a");
            Assert.Equal(600, files.UsedBytes);
        }
        Assert.Equal(0, files.UsedBytes);
    }

    [Fact]
    public void A_replaced_file_gives_its_room_back()
    {
        var files = new MemoryFileSystem();
        files.CreateDirectory("/d");
        using (IFile file = files.Open("/d/a", FileOpenMode.New)) file.SetLength(5);
        using (IFile file = files.Open("/d/b", FileOpenMode.New)) file.SetLength(70);
        files.Move("/d/a", "/d/b");
        Assert.Equal(5, files.UsedBytes);
    }

    [Fact]
    public void A_length_that_was_only_set_takes_no_memory()
    {
        var files = new MemoryFileSystem();
        files.CreateDirectory("/d");
        using IFile file = files.Open("/d/a", FileOpenMode.New);
        long before = GC.GetAllocatedBytesForCurrentThread();
        file.SetLength(1L << 40);
        file.Write(64L << 20, [1]);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }
}
