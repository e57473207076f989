using static Tidemark.Integration.RegisterOperation;

namespace Tidemark.Integration;

/// <summary>The checker finds what is wrong and nothing else.</summary>
public sealed class RegisterHistoryTests
{
    [Fact]
    public void What_could_have_happened_is_held_for_right()
    {
        Holds();
        Holds(Read(1, 2, null), Write(3, 4, 1), Read(5, 6, 1));
        Holds(Write(1, 4, 1), Read(2, 3, 1), Read(5, 6, 1));                                         // Seen before it was answered.
        Holds(Write(1, 2, 1), Write(3, 8, 2), Read(4, 5, 1), Read(6, 7, 2));
        Holds(Write(1, 2, 1), Write(3, Never, 2), Read(4, 5, 1), Read(6, 7, 1), Read(8, 9, 2));      // It happened late.
        Holds(Write(1, 2, 1), Write(3, Never, 2), Read(4, 5, 1));                                    // It never happened.
        Holds(Write(1, 2, 1), CompareAndSet(3, 4, 1, 2, creates: false), Read(5, 6, 2), Mismatch(7, 8, 1));
        Holds(CompareAndSet(1, 2, 7, 2, creates: true), CompareAndSet(3, Never, 2, 3, creates: false), Read(4, 5, 3));
    }

    [Fact]
    public void What_cannot_have_happened_is_found()
    {
        Breaks(Write(1, 2, 1), Read(3, 4, null));                                                    // Lost.
        Breaks(Write(1, 2, 1), Write(3, 4, 2), Read(5, 6, 1));                                       // Old.
        Breaks(Write(1, 2, 1), Write(3, Never, 2), Read(4, 5, 2), Read(6, 7, 1));                    // Back again.
        Breaks(Write(1, 2, 1), Write(3, Never, 2), Read(4, 5, 2), Write(6, 7, 3), Read(8, 9, 2));    // Done twice.
        Breaks(Write(1, 2, 1), CompareAndSet(3, 4, 1, 2, creates: false), CompareAndSet(5, 6, 1, 3, creates: false));
        Breaks(Write(1, 2, 1), Mismatch(3, 4, 1));
        Breaks(CompareAndSet(1, 2, 1, 2, creates: false));
        Breaks(Read(1, 2, 5));
    }

    private static void Holds(params RegisterOperation[] history) => Assert.Null(RegisterHistory.FindMisfit(history));

    private static void Breaks(params RegisterOperation[] history) => Assert.Same(history[^1], RegisterHistory.FindMisfit(history));
}
