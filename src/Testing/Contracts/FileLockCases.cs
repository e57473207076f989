using static Tidemark.Testing.ContractCheck;
using static Tidemark.Testing.FileSystemContract;

namespace Tidemark.Testing;

/// <summary>The rules about holding a directory.</summary>
internal static class FileLockCases
{
    public static ContractCase<FileSystemSubject>[] All { get; } =
    [
        Case("A_held_lock_refuses_a_second_holder_and_names_the_first", s =>
        {
            using (s.Files.Lock(s.At("LOCK")))
            {
                DirectoryLockedException error = Throws<DirectoryLockedException>(() => s.Files.Lock(s.At("LOCK")), "One holder at a time.");
                Equal(s.Directory, error.Directory, "The error names the directory.");
                Equal(Environment.ProcessId, error.ProcessId, "The error names the holder's process.");
                Equal(Environment.MachineName, error.HostName, "The error names the holder's host.");
            }
        }),
        Case("A_released_lock_can_be_taken_again_and_its_file_stays", s =>
        {
            for (int round = 0; round < 3; round++)
            {
                IDisposable held = s.Files.Lock(s.At("LOCK"));
                held.Dispose();
                held.Dispose();
                True(s.Files.FileExists(s.At("LOCK")), "The lock file stays.");
            }
        }),
        Case("Disposing_a_lock_twice_does_not_release_its_successor", s =>
        {
            IDisposable first = s.Files.Lock(s.At("LOCK"));
            first.Dispose();
            using IDisposable second = s.Files.Lock(s.At("LOCK"));
            first.Dispose();
            Throws<DirectoryLockedException>(() => s.Files.Lock(s.At("LOCK")), "The second holder still holds.");
        }),
        Case("Whatever_a_dead_holder_left_in_the_lock_file_is_no_obstacle", s =>
        {
            using (IFile file = s.New("LOCK")) file.Write(0, Pattern(4000));
            using (s.Files.Lock(s.At("LOCK")))
            {
                DirectoryLockedException error = Throws<DirectoryLockedException>(() => s.Files.Lock(s.At("LOCK")), "One holder at a time.");
                Equal(Environment.ProcessId, error.ProcessId, "The error names the living holder.");
            }
        }),
        Case("Looking_at_a_lock_takes_nothing_and_many_may_look_at_once", s =>
        {
            s.Files.ThrowIfLocked(s.At("LOCK"));
            True(!s.Files.FileExists(s.At("LOCK")), "Looking creates nothing.");
            using (s.Files.Lock(s.At("LOCK")))
            {
                DirectoryLockedException error = Throws<DirectoryLockedException>(() => s.Files.ThrowIfLocked(s.At("LOCK")), "A held lock is seen.");
                Equal(Environment.ProcessId, error.ProcessId, "The error names the holder's process.");
            }

            Parallel.For(0, 8, _ =>
            {
                for (int i = 0; i < 50; i++) s.Files.ThrowIfLocked(s.At("LOCK"));
            });
            s.Files.Lock(s.At("LOCK")).Dispose();
        }),
        Case("Locks_of_different_directories_are_independent", s =>
        {
            s.Files.CreateDirectory(s.At("a"));
            s.Files.CreateDirectory(s.At("b"));
            using IDisposable a = s.Files.Lock(s.At("a", "LOCK"));
            using IDisposable b = s.Files.Lock(s.At("b", "LOCK"));
        }),
        Case("Of_many_threads_exactly_one_gets_the_lock", s =>
        {
            int holders = 0, most = 0, taken = 0;
            Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
            {
                for (int i = 0; i < 50; i++)
                {
                    try
                    {
                        using IDisposable held = s.Files.Lock(s.At("LOCK"));
                        Interlocked.Increment(ref taken);
                        int now = Interlocked.Increment(ref holders);
                        if (now > 1) Volatile.Write(ref most, now);
                        Interlocked.Decrement(ref holders);
                    }
                    catch (DirectoryLockedException)
                    {
                        // The others' turn.
                    }
                }
            });
            Equal(0, most, "Never two holders at once.");
            True(taken > 0, "Somebody gets it.");
        }),
    ];
}
