using System.Text;

using Tidemark.Core.Rebase;
using Tidemark.Testing;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>What a client must survive, one story each.</summary>
public sealed class SyncStoryTests
{
    private readonly NaiveServer _server = new(TaskMutators.NewServer, KeyOrder.Hierarchical) { PageRows = 5 };

    [Fact]
    public void What_one_client_does_all_show_once_the_server_has_decided()
    {
        SyncHarness harness = Start(3);
        harness.Mutate(0, new PutTask("/task/a", 1));
        harness.Mutate(1, new AppendTask("/task/a", 2));
        Assert.Equal("1", Text(harness, 0, "/task/a"));
        Assert.Equal("+2", Text(harness, 1, "/task/a"));
        harness.RunUntilQuiet();
        harness.AssertConverged();
        string agreed = Text(harness, 2, "/task/a")!;
        Assert.Contains(agreed, new[] { "1", "1+2" });   // In whichever order the server had them.
    }

    [Fact]
    public void A_rejected_call_leaves_no_trace_and_its_caller_gets_the_exception()
    {
        SyncHarness harness = Start(1);
        harness.Mutate(0, new ClaimTask("/task/a", 1));
        MutationRejectedException rejection = Assert.Throws<MutationRejectedException>(() => harness.Mutate(0, new ClaimTask("/task/a", 2)));
        Assert.Equal("taken", rejection.Reason);
        Assert.Equal(1, harness.PendingCount(0));
        Assert.False(harness.TryGet(0, TaskMutators.TagKey(2), out _));
        harness.RunUntilQuiet();
        Assert.Single(_server.Decided);
    }

    [Fact]
    public void What_a_call_threw_its_caller_gets_and_nothing_was_queued()
    {
        SyncHarness harness = Start(1);
        _server.Put("/trouble", [1]);
        harness.RunUntilQuiet();
        Assert.Throws<InvalidOperationException>(() => harness.Mutate(0, new FickleTask("/task/a", 1)));
        Assert.Equal(0, harness.PendingCount(0));
    }

    [Fact]
    public void A_mutation_that_the_server_rejects_is_undone_and_told_and_the_one_built_on_it_decides_for_itself()
    {
        SyncHarness harness = Start(2);
        harness.SetConnected(1, false);
        harness.Mutate(1, new ClaimTask("/task/a", 1));
        harness.Mutate(1, new AppendTask("/task/a", 2));
        harness.Mutate(0, new ClaimTask("/task/a", 3));
        var moves = new List<TimelineMove>();
        harness.Clients[1].Settled = moves.Add;
        harness.RunUntilQuiet();
        harness.SetConnected(1, true);
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.Equal("3+2", Text(harness, 1, "/task/a"));
        Assert.Equal([TimelineFate.Rejected, TimelineFate.Applied], moves.Select(move => move.Fate));
        Assert.Equal("taken", moves[0].Rejection!.Value.Code);
        (Guid _, SyncRejection kept, TimelineEntry mutation) = Assert.Single(harness.Clients[1].View.Rejections());
        Assert.Equal((1L, "taken", "claim"), (kept.Mutation, kept.Code, mutation.Name));
        harness.CutPower(1);
        Assert.Single(harness.Clients[1].View.Rejections());
    }

    [Fact]
    public void A_mutation_that_fails_when_it_runs_again_stays_pending_without_effect_and_the_others_run()
    {
        SyncHarness harness = Start(1);
        harness.RunUntilQuiet();
        harness.Network.Loss = 1;
        harness.Mutate(0, new FickleTask("/task/a", 1));
        harness.Mutate(0, new PutTask("/task/b", 2));
        _server.Put("/trouble", [1]);
        harness.Network.Loss = 0;
        _server.Mutators = Mutators.Empty;   // It decides on nothing for now.
        StepUntil(harness, () => harness.TryGet(0, "/trouble", out _));
        Assert.Equal(2, harness.PendingCount(0));
        Assert.False(harness.TryGet(0, "/task/a", out _));
        Assert.Equal("2", Text(harness, 0, "/task/b"));
        Assert.Equal(MutationEnd.Faulted, harness.Clients[0].View.Troubles[1].End);
        StepUntil(harness, () => harness.Clients[0].Replica.Leader.Sync!.Status.IsDelayed);
        _server.Mutators = TaskMutators.NewServer;
        harness.RunUntilQuiet();
        Assert.Equal("1", Text(harness, 0, "/task/a"));
    }

    [Fact]
    public void A_poison_mutation_is_rejected_after_three_tries_and_holds_nobody_up()
    {
        SyncHarness harness = Start(1);
        harness.Mutate(0, new PoisonTask("/task/a", 1));
        harness.Mutate(0, new PutTask("/task/b", 2));
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.False(harness.TryGet(0, "/task/a", out _));
        Assert.Equal("2", Text(harness, 0, "/task/b"));
        Assert.Equal("poison", Assert.Single(harness.Clients[0].View.Rejections()).Rejection.Code);
    }

    [Fact]
    public void A_client_that_was_away_is_told_what_changed_alone()
    {
        SyncHarness harness = Start(1);
        for (int i = 0; i < 40; i++) _server.Put($"/task/{i}", [1]);
        harness.RunUntilQuiet();
        int downloads = _server.DownloadsBegun;
        harness.SetConnected(0, false);
        harness.Mutate(0, new AppendTask("/task/1", 1));
        for (int i = 0; i < 10; i++) _server.Put($"/task/{i}", [2]);
        harness.SetConnected(0, true);
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.Equal(downloads, _server.DownloadsBegun);
    }

    [Fact]
    public void A_client_that_was_away_too_long_downloads_anew_with_its_old_copy_in_view_and_its_mutations_kept()
    {
        SyncHarness harness = Start(1);
        for (int i = 0; i < 40; i++) _server.Put($"/task/{i:D2}", [49]);
        harness.RunUntilQuiet();
        harness.SetConnected(0, false);
        harness.Mutate(0, new AppendTask("/task/01", 1));
        _server.Put("/task/01", "new"u8.ToArray());
        _server.Trim();
        harness.SetConnected(0, true);
        StepUntil(harness, () => harness.Clients[0].Fields.Download is { Content.Rows: > 10 });
        Assert.Equal("1+1", Text(harness, 0, "/task/01"));
        Assert.Equal(SyncState.CatchingUp, harness.Clients[0].Replica.Leader.Sync!.Status.State);
        harness.CutPower(0);
        Assert.True(harness.Clients[0].Fields.Download is { Content.Rows: > 10 });   // It goes on where it was.
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.Equal("new+1", Text(harness, 0, "/task/01"));
    }

    [Fact]
    public void A_download_ends_although_the_server_lets_its_changes_go_again_and_again()
    {
        for (int i = 0; i < 60; i++) _server.Put($"/task/{i:D2}", [49]);
        SyncHarness harness = Start(1);
        for (int i = 0; i < 200 && harness.Clients[0].Fields.Download is not null; i++)
        {
            for (int steps = 0; steps < 25; steps++) harness.Step();
            _server.Put($"/task/{i % 60:D2}", [50]);
            if (i % 3 == 0) _server.Trim();
        }

        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.True(_server.DownloadsBegun < 60, $"{_server.DownloadsBegun} downloads were begun");
    }

    [Fact]
    public void A_copy_that_is_not_the_servers_state_is_replaced_and_a_second_time_ends_the_sync_until_it_is_told_to_go_on()
    {
        SyncHarness harness = Start(1);
        SyncHarnessClient client = harness.Clients[0];
        _server.Put("/task/a", [49]);
        harness.RunUntilQuiet();
        Corrupt(client);
        _server.Put("/task/a", [50]);
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.Equal(2, _server.DownloadsBegun);
        Corrupt(client);
        _server.Put("/task/a", [51]);
        client.Tell(new SyncWanted());
        StepUntil(harness, () => client.Fields.IsEnded);
        Assert.Equal(SyncState.Faulted, client.Replica.Leader.Sync!.Status.State);
        harness.Mutate(0, new PutTask("/task/b", 1));
        Assert.Equal("1", Text(harness, 0, "/task/b"));
        int downloads = _server.DownloadsBegun;
        TimeSpan until = harness.Elapsed + TimeSpan.FromMinutes(5);
        while (harness.Elapsed < until && harness.Step())
        {
        }

        Assert.Equal(downloads, _server.DownloadsBegun);
        client.Run(LocalCommand.Retry, LocalCommands.Retry());
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.Equal("1", Text(harness, 0, "/task/b"));
    }

    /// <summary>A row rots in memory, and a snapshot is written with it, whose sum is right. Its hash as a copy was believed as it stood in the header, so the store could not be opened again; now it is summed anew.</summary>
    [Fact]
    public void A_row_that_rotted_before_it_was_written_is_found_by_the_first_pull_after_a_restart()
    {
        SyncHarness harness = Start(1);
        _server.Put("/task/a", [49]);
        harness.RunUntilQuiet();
        LocalMachine machine = harness.Clients[0].Replica.Machine;
        Corrupt(harness.Clients[0]);
        using var restored = new LocalMachine(default);
        using (IStateSnapshot snapshot = machine.TakeSnapshot())
        {
            var piece = new System.Buffers.ArrayBufferWriter<byte>();
            List<ReadOnlyMemory<byte>> pieces = [];
            for (; snapshot.WriteNext(piece); piece = new()) pieces.Add(piece.WrittenMemory);
            restored.Restore(pieces, snapshot.Position);
        }

        Assert.Equal(new SyncReset(SyncResetReason.Diverged), _server.Answer(restored.Pull()));
        Assert.NotEqual(machine.Fields.Content, restored.Fields.Content);
    }

    [Fact]
    public void A_server_that_was_restored_to_an_earlier_state_gets_what_is_pending_and_nothing_stays_stuck()
    {
        SyncHarness harness = Start(2);
        harness.Mutate(0, new PutTask("/task/a", 1));
        harness.RunUntilQuiet();
        Action restore = _server.Save();
        for (int tag = 2; tag < 6; tag++) harness.Mutate(0, new AppendTask("/task/a", tag));
        harness.RunUntilQuiet();
        harness.SetConnected(0, false);
        harness.Mutate(0, new AppendTask("/task/a", 6));
        restore();
        harness.SetConnected(0, true);
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.Equal("1+6", Text(harness, 1, "/task/a"));   // What was decided since is lost with the server's state.
        Assert.Equal([1L, 2L], _server.Decided.Select(decided => decided.Mutation.Id));
    }

    [Theory]
    [InlineData(LocalStoreAnswer.PushAgain, "1")]
    [InlineData(LocalStoreAnswer.Discard, null)]
    public void A_client_that_was_forgotten_asks_its_program_what_is_to_become_of_what_it_pushed(LocalStoreAnswer answer, string? expected)
    {
        SyncHarness harness = Start(2);
        SyncHarnessClient client = harness.Clients[0];
        harness.Mutate(0, new PutTask("/task/other", 9));
        harness.RunUntilQuiet();
        harness.SetConnected(0, false);
        harness.Mutate(0, new PutTask("/task/a", 1));
        Guid before = client.Fields.Client;
        _server.Forget(before);
        harness.SetConnected(0, true);
        StepUntil(harness, () => client.Fields.Question != LocalStoreQuestion.None);
        Assert.Equal(LocalStoreQuestion.ClientUnknown, client.Fields.Question);
        Assert.Equal("1", Text(harness, 0, "/task/a"));
        harness.CutPower(0);
        Assert.Equal(LocalStoreQuestion.ClientUnknown, client.Fields.Question);
        var moves = new List<TimelineMove>();
        client.Settled = moves.Add;
        client.Run(LocalCommand.Decide, LocalCommands.Decide(answer, client.NewClientId()));
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.Equal(expected, Text(harness, 1, "/task/a"));
        Assert.NotEqual(before, client.Fields.Client);
        Assert.Equal(answer == LocalStoreAnswer.Discard ? TimelineFate.Unknown : TimelineFate.Applied, moves[^1].Fate);
    }

    [Fact]
    public void A_client_that_was_forgotten_before_it_ever_pushed_takes_another_id_without_a_question()
    {
        SyncHarness harness = Start(1);
        harness.RunUntilQuiet();
        harness.SetConnected(0, false);
        harness.Mutate(0, new PutTask("/task/a", 1));
        Guid before = harness.Clients[0].Fields.Client;
        _server.Forget(before);
        harness.SetConnected(0, true);
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.NotEqual(before, harness.Clients[0].Fields.Client);
        Assert.Equal("1", Text(harness, 0, "/task/a"));
    }

    [Fact]
    public void Two_clients_of_one_directory_are_found_out_and_the_second_is_asked()
    {
        SyncHarness harness = Start(1);
        harness.Mutate(0, new PutTask("/task/a", 1));
        harness.RunUntilQuiet();
        SyncHarnessClient copy = harness.Add(TaskMutators.Client, harness.Clients[0].CopyDisk());
        copy.SetConnected(false);
        harness.Mutate(0, new AppendTask("/task/a", 2));
        harness.RunUntilQuiet();
        harness.Mutate(1, new AppendTask("/task/a", 3));
        copy.SetConnected(true);
        StepUntil(harness, () => copy.Fields.Question != LocalStoreQuestion.None);
        Assert.Equal(LocalStoreQuestion.Forked, copy.Fields.Question);
        copy.Run(LocalCommand.Decide, LocalCommands.Decide(LocalStoreAnswer.PushAgain, copy.NewClientId()));
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.Equal("1+2+3", Text(harness, 0, "/task/a"));
    }

    [Fact]
    public void An_answer_that_comes_late_or_twice_changes_nothing()
    {
        SyncHarness harness = Start(1);
        _server.Put("/task/a", [49]);
        harness.RunUntilQuiet();
        SyncHarnessClient client = harness.Clients[0];
        SyncPull old = client.Replica.Machine.Pull();
        _server.Put("/task/a", [50]);
        var answer = new System.Buffers.ArrayBufferWriter<byte>();
        SyncCodec.Write(answer, _server.Answer(old));
        harness.RunUntilQuiet();
        LocalFields fields = client.Fields;
        _server.Put("/task/b", [51]);
        (LocalAnswer applied, long _) = client.Run(LocalCommand.Answered, LocalCommands.Answered(old, client.NewClientId(), answer.WrittenSpan));
        Assert.Equal(LocalStatus.NotFitting, applied.Status);
        Assert.Equal(fields, client.Fields);
    }

    [Fact]
    public void What_is_under_way_when_a_connection_ends_is_pushed_again_and_done_once()
    {
        SyncHarness harness = Start(1);
        for (int tag = 1; tag <= 250; tag++) harness.Mutate(0, new AppendTask("/task/a", tag));
        for (int i = 0; i < 40; i++)
        {
            for (int steps = 0; steps < 3; steps++) harness.Step();
            harness.SetConnected(0, i % 2 == 1);
        }

        harness.SetConnected(0, true);
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.Equal(string.Concat(Enumerable.Range(1, 250).Select(tag => $"+{tag}")), Text(harness, 0, "/task/a"));
    }

    [Fact]
    public void An_idle_client_writes_nothing_and_asks_seldom()
    {
        SyncHarness harness = Start(1);
        harness.RunUntilQuiet();
        SyncHarnessClient client = harness.Clients[0];
        (long offset, long requests) = (client.Replica.Machine.Position.Offset, client.Replica.Leader.Sync!.Requests);
        TimeSpan until = harness.Elapsed + TimeSpan.FromMinutes(10);
        while (harness.Elapsed < until) harness.Step();
        Assert.Equal(offset, client.Replica.Machine.Position.Offset);
        Assert.InRange(client.Replica.Leader.Sync!.Requests - requests, 30, 70);
    }

    /// <summary>Every state that a power cut leaves, before each operation that changes the disk: what was acknowledged is pending or decided, and the store goes on.</summary>
    [Fact]
    public void Wherever_the_power_goes_what_was_acknowledged_is_there_and_the_client_comes_to_the_servers_state()
    {
        int crashes = 0;
        for (int nth = 1; nth < 240; nth += 3)
        {
            var server = new NaiveServer(TaskMutators.NewServer, KeyOrder.Hierarchical) { PageRows = 4 };
            for (int i = 0; i < 12; i++) server.Put($"/task/{i:D2}", [49]);
            var harness = new SyncHarness(TaskMutators.Client, server, new SyncHarnessOptions { Clients = 1, Seed = nth });
            SyncHarnessClient client = harness.Clients[0];
            client.Disk.StopAt(client.Disk.OperationCount + nth, nth % 2 == 0 ? StopMoment.Before : StopMoment.Halfway);
            var acknowledged = new List<int>();
            for (int tag = 1; tag <= 40; tag++)
            {
                try
                {
                    harness.Mutate(0, new AppendTask($"/task/{tag % 12:D2}", tag));
                    acknowledged.Add(tag);
                }
                catch (Exception e) when (e is SimulatedCrashException or StoreFailedException or OutcomeUnknownException)
                {
                    // It may be there.
                }

                for (int steps = 0; steps < 2; steps++) harness.Step();
            }

            harness.RunUntilQuiet();
            crashes += client.Crashes;
            foreach (int tag in acknowledged) Assert.True(harness.TryGet(0, TaskMutators.TagKey(tag), out ReadOnlyMemory<byte> count) && count.Span[0] == 1, $"stop at {nth}: mutation {tag} was acknowledged and did not take effect once");
            SyncLaws.CheckConverged(client, server, $"stop at {nth}");
        }

        Assert.True(crashes > 40, $"only {crashes} crashes");
    }

    private static void Corrupt(SyncHarnessClient client)
    {
        LocalMachine machine = client.Replica.Machine;
        byte[] key = [LocalRows.Records(machine.Fields.Tables), .. KeyOrder.Hierarchical.Encode("/task/a"u8)];
        byte[] row = [.. machine.Table.Find(key)!];
        row[^1] ^= 1;
        machine.Table.Set(key, row);
    }

    private static void StepUntil(SyncHarness harness, Func<bool> holds)
    {
        TimeSpan until = harness.Elapsed + TimeSpan.FromMinutes(2);
        while (!holds()) Assert.True(harness.Step() && harness.Elapsed < until, "it does not come about");
    }

    private static string? Text(SyncHarness harness, int client, string key) => harness.TryGet(client, key, out ReadOnlyMemory<byte> value) ? Encoding.UTF8.GetString(value.Span) : null;

    private SyncHarness Start(int clients) => new(TaskMutators.Client, _server, new SyncHarnessOptions { Clients = clients });
}
