using static Tidemark.Testing.ContractCheck;

namespace Tidemark.Testing;

/// <summary>The rules every <see cref="IArchive"/> keeps, as cases for any test framework.</summary>
/// <remarks>
/// That an object outlives a crash of the archive, and what it answers when it is out of reach, are not among them: only whoever can bring that about can look. Every case takes an archive without objects.
/// </remarks>
public static class ArchiveContract
{
    private const int Writers = 8;

    /// <summary>The cases, each independent of the others.</summary>
    public static IReadOnlyList<AsyncContractCase<IArchive>> Cases { get; } =
    [
        new("An_archive_begins_without_objects", async a =>
        {
            Equal(0, (await a.ListAsync("points").ConfigureAwait(false)).Count, "There is no object yet.");
            True(await a.OpenReadAsync("points/1").ConfigureAwait(false) is null, "What is not there is not opened.");
            await a.DeleteAsync("points/1").ConfigureAwait(false);
        }),
        new("Any_bytes_from_none_to_a_few_mebibytes_come_back_as_they_are", async a =>
        {
            foreach (int length in (int[])[0, 1, 4096, 100_000, (3 * 1024 * 1024) + 1])
            {
                string name = $"bytes/{length}";
                True(await Create(a, name, Bytes(length)).ConfigureAwait(false), "A name that is free is taken.");
                await Holds(a, name, Bytes(length)).ConfigureAwait(false);
            }
        }),
        new("An_object_that_is_there_is_not_replaced", async a =>
        {
            await Create(a, "x/1", Bytes(10)).ConfigureAwait(false);
            True(!await Create(a, "x/1", Bytes(20)).ConfigureAwait(false), "A name that is taken is refused.");
            await Holds(a, "x/1", Bytes(10)).ConfigureAwait(false);
        }),
        new("A_folder_lists_its_objects_by_name_with_their_lengths_and_no_others", async a =>
        {
            foreach (string name in (string[])["x/10", "x/2", "x/a-1.b", "x/y/3", "xx/4"]) await Create(a, name, Bytes(name.Length)).ConfigureAwait(false);
            IReadOnlyList<ArchiveObject> found = await a.ListAsync("x").ConfigureAwait(false);
            SameItems(["x/10 4", "x/2 3", "x/a-1.b 7"], found.Select(item => $"{item.Name} {item.Bytes}"), "A folder has the objects right in it, in the ordinal order of their names.");
            SameItems(["x/y/3 5"], (await a.ListAsync("x/y").ConfigureAwait(false)).Select(item => $"{item.Name} {item.Bytes}"), "A folder in a folder has its own.");
        }),
        new("What_was_deleted_is_gone_and_its_name_free", async a =>
        {
            await Create(a, "x/1", Bytes(10)).ConfigureAwait(false);
            await a.DeleteAsync("x/1").ConfigureAwait(false);
            True(await a.OpenReadAsync("x/1").ConfigureAwait(false) is null, "What was deleted is not opened.");
            Equal(0, (await a.ListAsync("x").ConfigureAwait(false)).Count, "What was deleted is not listed.");
            True(await Create(a, "x/1", Bytes(20)).ConfigureAwait(false), "The name is free.");
            await Holds(a, "x/1", Bytes(20)).ConfigureAwait(false);
        }),
        new("Of_several_who_create_one_object_exactly_one_succeeds", async a =>
        {
            bool[] created = await Task.WhenAll(Enumerable.Range(1, Writers).Select(i => Task.Run(() => Create(a, "x/1", Bytes(i * 1000))))).ConfigureAwait(false);
            Equal(1, created.Count(isCreated => isCreated), "One has created it.");
            await Holds(a, "x/1", Bytes((Array.IndexOf(created, true) + 1) * 1000)).ConfigureAwait(false);
        }),
        new("An_object_whose_content_cannot_be_read_to_its_end_is_not_there", async a =>
        {
            await ThrowsAsync<IOException>(async () => await a.TryCreateAsync("x/1", new BrokenStream(200_000)).ConfigureAwait(false), "The error comes through.").ConfigureAwait(false);
            True(await a.OpenReadAsync("x/1").ConfigureAwait(false) is null, "Half an object is none.");
            Equal(0, (await a.ListAsync("x").ConfigureAwait(false)).Count, "Half an object is not listed.");
            True(await Create(a, "x/1", Bytes(10)).ConfigureAwait(false), "The name is free.");
        }),
        new("A_name_that_is_none_is_refused", async a =>
        {
            foreach (string name in (string[])["", "/x", "x/", "x//y", "..", "x/../y", "X", "x y", "a/b/c/d/e", ".x"])
            {
                await ThrowsAsync<ArgumentException>(async () => await Create(a, name, Bytes(1)).ConfigureAwait(false), $"'{name}' is no name to create.").ConfigureAwait(false);
                await ThrowsAsync<ArgumentException>(async () => await a.OpenReadAsync(name).ConfigureAwait(false), $"'{name}' is no name to open.").ConfigureAwait(false);
            }
        }),
    ];

    private static async Task<bool> Create(IArchive archive, string name, byte[] content)
    {
        using var stream = new MemoryStream(content);
        return await archive.TryCreateAsync(name, stream).ConfigureAwait(false);
    }

    private static async Task Holds(IArchive archive, string name, byte[] expected)
    {
        Stream stream = await archive.OpenReadAsync(name).ConfigureAwait(false) ?? throw new ContractViolationException($"What was created is there. '{name}' is not.");
        await using (stream.ConfigureAwait(false))
        {
            using var copy = new MemoryStream();
            await stream.CopyToAsync(copy).ConfigureAwait(false);
            SameBytes(expected, copy.ToArray(), "An object is what was written.");
        }
    }

    private static byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Fails behind some bytes.</summary>
    private sealed class BrokenStream(int length) : MemoryStream(new byte[length])
    {
        public override int Read(byte[] buffer, int offset, int count) => Position >= Length ? throw new IOException("It breaks here.") : base.Read(buffer, offset, count);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            byte[] bytes = new byte[buffer.Length];
            int read = Read(bytes, 0, bytes.Length);
            bytes.AsSpan(0, read).CopyTo(buffer.Span);
            return new ValueTask<int>(read);
        }

        public override Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken) => throw new IOException("It breaks here.");
    }
}
