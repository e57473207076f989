namespace Tidemark.Integration.Service;

/// <summary>The checker finds what it is there to find.</summary>
public sealed class VersionedHistoryTests
{
    private static readonly KeyOperation _first = new(0, 10, KeyAct.Put, 1, "a");
    private static readonly KeyOperation _second = new(20, 30, KeyAct.Put, 5, "b");

    [Fact]
    public void What_could_have_been_is_right() => Assert.Null(VersionedHistory.FindFault(
    [
        new(0, 5, KeyAct.See, 0), _first, _second,
        new(15, 25, KeyAct.See, 1, "a"), new(16, 26, KeyAct.See, 5, "b"),
        new(31, long.MaxValue, KeyAct.PutUnknown, 0, "c"), new(40, 50, KeyAct.See, 5, "b"), new(51, 60, KeyAct.See, 7, "c"),
        new(61, long.MaxValue, KeyAct.DeleteUnknown, 7), new(62, 70, KeyAct.See, 7, "c"), new(71, 80, KeyAct.See, 0), new(81, 90, KeyAct.Put, 9, "d", Expected: 0),
        new(91, 99, KeyAct.Put, 11, "e", Expected: 9), new(100, 110, KeyAct.Delete, 11), new(111, 120, KeyAct.See, 0), new(111, 120, KeyAct.PutRefused, 0, "f"),
    ]));

    [Fact]
    public void An_old_value_is_found() => AssertWrong(_first, _second, new(31, 40, KeyAct.See, 1, "a"));

    [Fact]
    public void A_value_that_goes_back_between_two_reads_is_found() =>
        AssertWrong(_first, new(20, 90, KeyAct.Put, 5, "b"), new(30, 40, KeyAct.See, 5, "b"), new(41, 50, KeyAct.See, 1, "a"));

    [Fact]
    public void A_lost_write_is_found() => AssertWrong(_first, new(20, 30, KeyAct.See, 0));

    [Fact]
    public void A_write_done_twice_is_found() => AssertWrong(_first, _second, new(31, 40, KeyAct.See, 6, "a"));

    [Fact]
    public void A_write_that_was_refused_and_done_is_found() => AssertWrong(_first, new(11, 12, KeyAct.PutRefused, 0, "x"), new(20, 30, KeyAct.See, 3, "x"));

    [Fact]
    public void A_value_from_the_future_is_found() => AssertWrong(new(0, 5, KeyAct.See, 1, "a"), new(6, 10, KeyAct.Put, 1, "a"));

    [Fact]
    public void A_value_from_nowhere_is_found() => AssertWrong(_first, new(20, 30, KeyAct.See, 2, "x"));

    [Fact]
    public void A_condition_that_did_not_hold_is_found()
    {
        AssertWrong(_first, _second, new(31, 40, KeyAct.Put, 8, "c", Expected: 1));
        AssertWrong(_first, _second, new(31, 40, KeyAct.Put, 8, "c", Expected: 0));
    }

    [Fact]
    public void A_record_that_comes_back_after_its_delete_is_found() => AssertWrong(_first, new(11, 15, KeyAct.Delete, 1), new(16, 20, KeyAct.See, 1, "a"));

    private static void AssertWrong(params KeyOperation[] history) => Assert.NotNull(VersionedHistory.FindFault(history));
}
