using static Tidemark.Testing.ContractCheck;
using static Tidemark.Testing.FileSystemContract;

namespace Tidemark.Testing;

/// <summary>The rules about names: creating, finding, listing, renaming and removing.</summary>
internal static class FileNameCases
{
    public static ContractCase<FileSystemSubject>[] All { get; } =
    [
        Case("CreateDirectory_makes_missing_parents_and_repeats_without_error", s =>
        {
            s.Files.CreateDirectory(s.At("a", "b", "c"));
            s.Files.CreateDirectory(s.At("a", "b", "c"));
            SameItems([], s.Files.ListFiles(s.At("a", "b", "c")), "A new directory is empty.");
            SameItems([], s.Files.ListFiles(s.At("a")), "A directory is not listed as a file.");
        }),
        Case("CreateDirectory_where_a_file_is_in_the_way_is_an_error", s =>
        {
            s.New("a").Dispose();
            Throws<IOException>(() => s.Files.CreateDirectory(s.At("a")), "A file is no directory.", orDerived: true);
            Throws<IOException>(() => s.Files.CreateDirectory(s.At("a", "b")), "A file has no directories.", orDerived: true);
        }),
        Case("ListFiles_gives_names_in_ordinal_order", s =>
        {
            foreach (string name in (string[])["b", "B", "a.log", "a", ".hidden", "ä"]) s.New(name).Dispose();
            SameItems([".hidden", "B", "a", "a.log", "b", "ä"], s.Files.ListFiles(s.Directory), "All names, in ordinal order.");
        }),
        Case("A_missing_directory_is_named_as_such_by_every_call", s =>
        {
            string missing = s.At("missing"), inside = s.At("missing", "file");
            s.New("here").Dispose();
            Throws<DirectoryNotFoundException>(() => s.Files.ListFiles(missing), "ListFiles of a missing directory.");
            Throws<DirectoryNotFoundException>(() => s.Files.FlushDirectory(missing), "FlushDirectory of a missing directory.");
            Throws<DirectoryNotFoundException>(() => s.Files.Open(inside, FileOpenMode.Existing), "Open in a missing directory.");
            Throws<DirectoryNotFoundException>(() => s.Files.Open(inside, FileOpenMode.New), "Open of a new file in a missing directory.");
            Throws<DirectoryNotFoundException>(() => s.Files.Move(inside, s.At("x")), "Move out of a missing directory.");
            Throws<DirectoryNotFoundException>(() => s.Files.Move(s.At("here"), inside), "Move into a missing directory.");
            Throws<DirectoryNotFoundException>(() => s.Files.Lock(inside), "Lock in a missing directory.");
            True(!s.Files.FileExists(inside), "Nothing exists in a missing directory.");
            s.Files.Delete(inside);
        }),
        Case("A_missing_file_is_an_error_to_open_and_move_and_none_to_delete", s =>
        {
            Throws<FileNotFoundException>(() => s.Files.Open(s.At("a"), FileOpenMode.Existing), "Open of a missing file.");
            Throws<FileNotFoundException>(() => s.Files.Move(s.At("a"), s.At("b")), "Move of a missing file.");
            s.Files.Delete(s.At("a"));
            True(!s.Files.FileExists(s.At("a")), "No call above creates the file.");
        }),
        Case("Open_New_refuses_a_file_that_exists_and_leaves_it_alone", s =>
        {
            using (IFile file = s.New("a")) file.Write(0, [7]);
            Throws<IOException>(() => s.New("a"), "The file exists.");
            using IFile again = s.Files.Open(s.At("a"), FileOpenMode.ExistingOrNew);
            Equal(1, again.Length, "The refused opening changed nothing, and ExistingOrNew opens what is there.");
        }),
        Case("Open_ExistingOrNew_creates_a_missing_file_empty", s =>
        {
            using IFile file = s.Files.Open(s.At("a"), FileOpenMode.ExistingOrNew);
            Equal(0, file.Length, "A new file is empty.");
            True(s.Files.FileExists(s.At("a")), "A created file exists.");
        }),
        Case("A_directory_is_no_file", s =>
        {
            s.Files.CreateDirectory(s.At("d"));
            s.New("a").Dispose();
            True(!s.Files.FileExists(s.At("d")), "A directory does not count as a file.");
            Throws<IOException>(() => s.Files.Open(s.At("d"), FileOpenMode.Existing), "A directory cannot be opened.", orDerived: true);
            Throws<IOException>(() => s.Files.Open(s.At("d"), FileOpenMode.ExistingOrNew), "A directory cannot be opened.", orDerived: true);
            Throws<IOException>(() => s.Files.Move(s.At("a"), s.At("d")), "A file does not replace a directory.", orDerived: true);
            Throws<IOException>(() => s.Files.Delete(s.At("d")), "A directory is not deleted as a file.", orDerived: true);
        }),
        Case("Move_renames_and_replaces_the_target", s =>
        {
            using (IFile file = s.New("a")) file.Write(0, Pattern(100));
            using (IFile file = s.New("b")) file.Write(0, Pattern(5, seed: 9));
            s.Files.Move(s.At("a"), s.At("b"));
            SameItems(["b"], s.Files.ListFiles(s.Directory), "Only the new name is left.");
            using IFile moved = s.Files.Open(s.At("b"), FileOpenMode.Existing);
            SameBytes(Pattern(100), ReadAll(moved), "The bytes moved with the name.");
        }),
        Case("Move_reaches_another_directory_and_onto_itself_changes_nothing", s =>
        {
            s.Files.CreateDirectory(s.At("d"));
            using (IFile file = s.New("a")) file.Write(0, [1]);
            s.Files.Move(s.At("a"), s.At("d", "b"));
            s.Files.Move(s.At("d", "b"), s.At("d", "b"));
            SameItems([], s.Files.ListFiles(s.Directory), "The old name is gone.");
            SameItems(["b"], s.Files.ListFiles(s.At("d")), "The new name is there.");
        }),
        Case("A_handle_follows_its_file_through_rename_and_removal", s =>
        {
            using IFile file = s.New("a");
            file.Write(0, Pattern(10));
            s.Files.Move(s.At("a"), s.At("b"));
            file.Write(10, Pattern(10));
            using (IFile other = s.Files.Open(s.At("b"), FileOpenMode.Existing)) Equal(20, other.Length, "Both handles see one file.");
            s.Files.Delete(s.At("b"));
            True(!s.Files.FileExists(s.At("b")), "A deleted name is gone at once.");
            SameBytes([.. Pattern(10), .. Pattern(10)], ReadAll(file), "What a handle holds open stays readable.");
            using IFile fresh = s.New("b");
            Equal(0, fresh.Length, "The name is free for a new file, which has nothing of the old one.");
        }),
        Case("A_replaced_file_stays_whole_for_its_handles", s =>
        {
            using IFile old = s.New("b");
            old.Write(0, Pattern(10));
            using (IFile file = s.New("a")) file.Write(0, [1, 2]);
            s.Files.Move(s.At("a"), s.At("b"));
            SameBytes(Pattern(10), ReadAll(old), "The replaced file is still what its handle reads.");
            old.Flush();
        }),
        Case("FlushDirectory_accepts_any_directory", s =>
        {
            s.New("a").Dispose();
            s.Files.FlushDirectory(s.Directory);
            s.Files.Delete(s.At("a"));
            s.Files.FlushDirectory(s.Directory);
        }),
    ];
}
