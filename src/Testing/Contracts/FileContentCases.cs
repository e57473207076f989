using static Tidemark.Testing.ContractCheck;
using static Tidemark.Testing.FileSystemContract;

namespace Tidemark.Testing;

/// <summary>The rules about what is in a file.</summary>
internal static class FileContentCases
{
    public static ContractCase<FileSystemSubject>[] All { get; } =
    [
        Case("What_was_written_is_read_back_by_every_handle_and_after_reopening", s =>
        {
            byte[] bytes = Pattern(200_000);
            using (IFile file = s.New("a"))
            using (IFile other = s.Files.Open(s.At("a"), FileOpenMode.Existing))
            {
                file.Write(0, bytes);
                SameBytes(bytes, ReadAll(other), "A second handle sees a write at once.");
                file.Flush();
            }
            using IFile again = s.Files.Open(s.At("a"), FileOpenMode.Existing);
            SameBytes(bytes, ReadAll(again), "Reopening changes nothing.");
        }),
        Case("Read_is_short_only_at_the_end_of_the_file", s =>
        {
            using IFile file = s.New("a");
            byte[] bytes = Pattern(70_000);
            file.Write(0, bytes);
            var buffer = new byte[70_001];
            Equal(70_000, file.Read(0, buffer), "A read returns all there is.");
            Equal(3, file.Read(69_997, buffer.AsSpan(0, 10)), "A read across the end stops there.");
            Equal(0, file.Read(70_000, buffer), "At the end there is nothing.");
            Equal(0, file.Read(1L << 40, buffer), "Far beyond the end there is nothing.");
            Equal(0, file.Read(0, []), "An empty buffer takes nothing.");
            Equal(65_000, file.Read(5_000, buffer), "A read from the middle reaches the end.");
            SameBytes(bytes.AsSpan(5_000), buffer.AsSpan(0, 65_000), "Bytes come from where they were asked for.");
        }),
        Case("Write_replaces_in_place_and_extends", s =>
        {
            using IFile file = s.New("a");
            file.Write(0, Pattern(40_000));
            file.Write(39_000, Pattern(2_000, seed: 77));
            byte[] expected = [.. Pattern(40_000)[..39_000], .. Pattern(2_000, seed: 77)];
            SameBytes(expected, ReadAll(file), "The later write wins where they overlap.");
        }),
        Case("A_gap_before_a_write_reads_as_zero", s =>
        {
            using IFile file = s.New("a");
            file.Write(100_000, [1]);
            Equal(100_001, file.Length, "The length reaches the written byte.");
            SameBytes(new byte[100_000], ReadAll(file).AsSpan(0, 100_000), "The gap is zero.");
        }),
        Case("An_empty_write_changes_nothing", s =>
        {
            using IFile file = s.New("a");
            file.Write(1000, []);
            Equal(0, file.Length, "No byte, no length.");
        }),
        Case("SetLength_extends_with_zeros_and_cuts_for_good", s =>
        {
            using IFile file = s.New("a");
            file.Write(0, Pattern(50_000));
            file.SetLength(60_000);
            SameBytes([.. Pattern(50_000), .. new byte[10_000]], ReadAll(file), "Added bytes are zero.");
            file.SetLength(20_001);
            file.SetLength(60_000);
            SameBytes([.. Pattern(20_001), .. new byte[39_999]], ReadAll(file), "What was cut off does not come back.");
            file.SetLength(0);
            Equal(0, file.Length, "A file can be emptied.");
        }),
        Case("A_long_file_of_zeros_is_cheap_to_ask_for", s =>
        {
            using IFile file = s.New("a");
            file.SetLength(64L << 20);
            var buffer = new byte[4096];
            Equal(4096, file.Read((64L << 20) - 4096, buffer), "The last bytes are there.");
            SameBytes(new byte[4096], buffer, "They are zero.");
        }),
        Case("Flush_without_changes_and_repeated_is_no_error", s =>
        {
            using IFile file = s.New("a");
            file.Flush();
            file.Write(0, [1]);
            file.Flush();
            file.Flush();
        }),
        Case("A_negative_position_or_length_is_the_callers_mistake", s =>
        {
            using IFile file = s.New("a");
            Throws<ArgumentOutOfRangeException>(() => file.Read(-1, new byte[1]), "Read before the start.");
            Throws<ArgumentOutOfRangeException>(() => file.Write(-1, [1]), "Write before the start.");
            Throws<ArgumentOutOfRangeException>(() => file.Write(long.MaxValue, [1]), "Write beyond the last position.");
            Throws<ArgumentOutOfRangeException>(() => file.SetLength(-1), "A length below zero.");
        }),
        Case("A_disposed_file_refuses_and_disposing_again_is_no_error", s =>
        {
            IFile file = s.New("a");
            file.Write(0, [1]);
            file.Dispose();
            file.Dispose();
            Throws<ObjectDisposedException>(() => file.Read(0, new byte[1]), "Read after Dispose.");
            Throws<ObjectDisposedException>(() => file.Write(0, [1]), "Write after Dispose.");
            Throws<ObjectDisposedException>(() => file.SetLength(5), "SetLength after Dispose.");
            Throws<ObjectDisposedException>(file.Flush, "Flush after Dispose.");
            Throws<ObjectDisposedException>(() => _ = file.Length, "Length after Dispose.");
        }),
        Case("Threads_that_touch_different_bytes_do_not_disturb_each_other", s =>
        {
            const int Threads = 4, Part = 10_007, Rounds = 20;
            using IFile file = s.New("a");
            Parallel.For(0, Threads, new ParallelOptions { MaxDegreeOfParallelism = Threads }, thread =>
            {
                for (int round = 0; round < Rounds; round++)
                {
                    byte[] bytes = Pattern(Part, seed: thread + (round * Threads)), back = new byte[Part];
                    long position = ((round * Threads) + thread) * (long)Part;
                    file.Write(position, bytes);
                    Equal(Part, file.Read(position, back), "What this thread wrote is there.");
                    SameBytes(bytes, back, "What this thread wrote is what it reads.");
                    if (thread == 0) file.Flush();
                }
            });
            Equal((long)Threads * Part * Rounds, file.Length, "The file is as long as its last write reaches.");
        }),
    ];
}
