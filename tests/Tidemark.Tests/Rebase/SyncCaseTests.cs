using System.Text;

using Tidemark.Core.Engines;
using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Testing;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>What can go wrong where clients sync with a shard whose log is cut, case by case: the table in docs/testing.md. What the replicas of the shard must bear is in CutCaseTests.</summary>
public sealed class SyncCaseTests : IDisposable
{
    private SyncHarnessServer _server = Serve(new NamespaceOptions());

    private long Generation => _server.Machine.Generation.Number;

    public void Dispose() => _server.Dispose();

    [Fact]
    public void A_client_that_was_away_over_a_cut_gets_the_rows_that_changed_and_no_others()
    {
        SyncHarness harness = StartSynced(records: 40);
        harness.SetConnected(0, false);
        SyncClient sync = harness.Clients[0].Replica.Leader.Sync!;
        (long rows, long received) = (_server.RowsSent, sync.Status.RowsReceived);
        harness.PutOnServer("/task/03", "before"u8.ToArray());
        harness.CutOnServer();
        harness.PutOnServer("/task/05", "behind"u8.ToArray());
        harness.SetConnected(0, true);
        harness.RunUntilQuiet();
        Assert.Equal((1L, 2L, 2L, 0), (Generation, _server.RowsSent - rows, sync.Status.RowsReceived - received, _server.Resets));
        AssertIsTheServers(harness);
    }

    [Fact]
    public void A_client_that_lacks_nothing_is_sent_nothing_after_a_cut_and_writes_nothing()
    {
        SyncHarness harness = StartSynced(records: 10);
        harness.SetConnected(0, false);
        (long rows, long written, LocalFields fields) = (_server.RowsSent, Offset(harness), harness.Clients[0].Fields);
        harness.CutOnServer();
        harness.SetConnected(0, true);
        harness.RunUntilQuiet();
        Assert.Equal((1L, rows, written), (Generation, _server.RowsSent, Offset(harness)));
        Assert.Equal(fields, harness.Clients[0].Fields);
    }

    /// <summary>The log is gone, and nobody minds; the changes are gone, and it downloads, once.</summary>
    [Fact]
    public void A_client_that_was_away_for_many_generations_downloads_only_where_changes_were_let_go_and_keeps_what_is_pending()
    {
        SyncHarness harness = StartSynced(records: 40);
        harness.SetConnected(0, false);
        harness.Mutate(0, new AppendTask("/task/03", 1));
        CutOften(harness, 10);
        long rows = _server.RowsSent;
        harness.SetConnected(0, true);
        harness.RunUntilQuiet();
        Assert.Equal((10L, 0), (Generation, _server.Resets));
        Assert.InRange(_server.RowsSent - rows, 3, 6);   // The record that all of these wrote, and what the mutation did.

        harness.SetConnected(0, false);
        harness.Mutate(0, new AppendTask("/task/03", 2));
        CutOften(harness, 1);
        _server.LetChangesGo();
        harness.SetConnected(0, true);
        harness.RunUntilQuiet();
        Assert.Equal(1, _server.Resets);
        AssertIsTheServers(harness);
        Assert.Equal("0+1+2", Text(harness, 0, "/task/03"));
    }

    [Fact]
    public void A_download_goes_on_over_cuts_and_restarts_and_ends_however_often_the_log_is_cut_meanwhile()
    {
        SyncHarness harness = Start(1);
        for (int i = 0; i < 1_000; i++) harness.PutOnServer($"/task/{i:D3}", "0"u8.ToArray());
        SyncHarnessClient client = harness.Clients[0];
        int restarts = 0;
        while (client.Fields.Download is { } download)
        {
            Assert.True(Generation < 300, "the download does not end");
            for (int steps = 0; steps < 4; steps++) harness.Step();
            harness.PutOnServer($"/task/{Generation % 200:D3}", "1"u8.ToArray());
            harness.CutOnServer();
            if (Generation % 10 != 0) continue;
            harness.CutPower(0);
            Assert.True(client.Fields.Download is null || client.Fields.Download.Content.Rows >= download.Content.Rows);   // It goes on where it was.
            restarts++;
        }

        harness.RunUntilQuiet();
        Assert.True(Generation > 10 && restarts > 0, $"{Generation} cuts, {restarts} restarts");
        Assert.Equal(0, _server.Resets);
        AssertIsTheServers(harness);
    }

    [Fact]
    public void What_is_pending_over_a_cut_stays_as_it_was_and_no_watch_tells_of_anything()
    {
        _server.Mutators = TaskMutators.OldServer;
        _server.ChangeLeader();
        SyncHarness harness = StartSynced(records: 5);
        SyncHarnessClient client = harness.Clients[0];
        harness.Mutate(0, new LaterTask("/task/03", 1));   // The server does not know it yet.
        harness.Mutate(0, new AppendTask("/task/03", 2));
        StepUntil(harness, () => client.Replica.Leader.Sync!.Status.IsDelayed);
        (LocalFields fields, LocalView view) = (client.Fields, client.View);
        for (int cuts = 1; cuts <= 3; cuts++)
        {
            CutOften(harness, 1, "/task/04");
            Pull(harness);
            Assert.Equal((cuts, 2), (Generation, harness.PendingCount(0)));
            RowChange told = Assert.Single(client.View.ChangesSince(view, default));   // What the server wrote, not the cut.
            Assert.Equal("/task/04", Encoding.UTF8.GetString(fields.Order!.Decode(told.Key)));
            Assert.Equal((fields.First, fields.Next, fields.Before, fields.Last), (client.Fields.First, client.Fields.Next, client.Fields.Before, client.Fields.Last));
        }

        Assert.Equal("1+2", Text(harness, 0, "/task/03"));
        _server.Mutators = TaskMutators.NewServer;
        _server.ChangeLeader();
        harness.RunUntilQuiet();
        Assert.Equal("newer 1+2", Text(harness, 0, "/task/03"));
    }

    [Fact]
    public void A_push_that_is_under_way_over_a_cut_takes_effect_once_also_when_it_is_sent_again()
    {
        SyncHarness harness = StartSynced(records: 5);
        SyncHarnessClient client = harness.Clients[0];
        for (int tag = 1; tag <= 3; tag++) harness.Mutate(0, new AppendTask("/task/03", tag));
        StepUntil(harness, () => client.Replica.Leader.Sync!.MutationsSent > 0);
        harness.CutOnServer();                                                   // Before it comes.
        StepUntil(harness, () => Cursor(client) > 0);
        Assert.Equal(3, harness.PendingCount(0));
        harness.CutOnServer();                                                   // Before its answer does.
        harness.SetConnected(0, false);
        long sent = client.Replica.Leader.Sync!.MutationsSent;
        harness.Network.Loss = 0.5;
        harness.SetConnected(0, true);
        StepUntil(harness, () => harness.PendingCount(0) == 0 || client.Replica.Leader.Sync!.MutationsSent > sent);
        harness.CutOnServer();
        harness.Network.Loss = 0;
        SyncPush again = new(client.Fields.Client, 0, default, [new TimelineEntry(1, "append", 1, default, default)]);
        Assert.Equal(SyncRefusal.None, _server.Answer(again).Refusal);           // One that comes late: its number is decided.
        harness.RunUntilQuiet();
        AssertIsTheServers(harness);
        Assert.Equal("0+1+2+3", Text(harness, 0, "/task/03"));
        Assert.Equal(2, Generation);                                             // Nothing was written between the second and the third.
    }

    [Theory]
    [InlineData(LocalStoreAnswer.PushAgain, "0+1+2")]
    [InlineData(LocalStoreAnswer.Discard, "0+1")]
    public void A_client_that_was_away_for_many_generations_and_forgotten_asks_and_sends_nothing_by_itself(LocalStoreAnswer answer, string expected)
    {
        Serve(ref _server, new NamespaceOptions { MaxClients = 1 });
        SyncHarness harness = StartSynced(records: 5, clients: 2);
        SyncHarnessClient client = harness.Clients[0];
        harness.Mutate(0, new AppendTask("/task/03", 1));
        harness.RunUntilQuiet();
        harness.SetConnected(0, false);
        harness.Mutate(0, new AppendTask("/task/03", 2));
        harness.Mutate(1, new PutTask("/task/04", 3));   // There is room for one.
        harness.RunUntilQuiet();
        CutOften(harness, 10);
        long sent = client.Replica.Leader.Sync!.MutationsSent;
        harness.SetConnected(0, true);
        StepUntil(harness, () => client.Fields.Question != LocalStoreQuestion.None);
        for (TimeSpan until = harness.Elapsed + TimeSpan.FromMinutes(5); harness.Elapsed < until;) Assert.True(harness.Step());
        Assert.Equal((LocalStoreQuestion.ClientUnknown, 1, sent), (client.Fields.Question, harness.PendingCount(0), client.Replica.Leader.Sync!.MutationsSent));
        Assert.Equal("0+1+2", Text(harness, 0, "/task/03"));
        client.Run(LocalCommand.Decide, LocalCommands.Decide(answer, client.NewClientId()));
        harness.RunUntilQuiet();
        AssertIsTheServers(harness);
        Assert.Equal(expected, Text(harness, 0, "/task/03"));
    }

    /// <summary>Whoever has no row is new only if its id is younger than all that were forgotten. That is part of the state, so neither cuts nor a restored store forget it.</summary>
    [Fact]
    public void An_id_that_was_forgotten_or_is_made_up_and_older_is_never_taken_for_new()
    {
        Serve(ref _server, new NamespaceOptions { MaxClients = 1 });
        Guid Made(int second) => ClientIds.Make(HybridTimestamp.FromParts(second * 1_000_000L, 0), default, (ulong)second);
        Assert.Equal(SyncRefusal.None, Push(Made(10)).Refusal);
        Assert.Equal(SyncRefusal.None, Push(Made(20)).Refusal);   // Pushes the first out.
        for (int round = 0; round < 3; round++)
        {
            foreach (int second in (int[])[10, 5])
            {
                Assert.Equal(SyncRefusal.ClientUnknown, Push(Made(second)).Refusal);
                Assert.Equal(new SyncReset(SyncResetReason.ClientUnknown), _server.Answer(new SyncPull(Made(second), null, [])));
            }

            _server.Write(output => CommandWriter.WritePut(output, null, "/task/a"u8, default, default));
            _server.Cut();
            _server.Save()();   // A restored store has it too.
        }

        Assert.Equal(SyncRefusal.None, Push(Made(15)).Refusal);   // Made later than any that is unknown.
        SyncPushed Push(Guid client) => _server.Answer(new SyncPush(client, 0, default, [new TimelineEntry(1, "put", 1, default, "1 /task/a"u8.ToArray())]));
    }

    [Fact]
    public void A_server_that_was_restored_to_before_a_cut_takes_what_is_pending_and_its_next_generation_is_another()
    {
        SyncHarness harness = StartSynced(records: 5, clients: 2);
        harness.Mutate(0, new AppendTask("/task/03", 1));
        harness.RunUntilQuiet();
        CutOften(harness, 1);
        Action restore = _server.Save();
        harness.Mutate(0, new AppendTask("/task/03", 2));
        harness.RunUntilQuiet();
        CutOften(harness, 1);
        Guid lost = _server.Machine.Generation.LogId;
        harness.SetConnected(0, false);
        harness.Mutate(0, new AppendTask("/task/03", 3));
        restore();
        Assert.Equal(1, Generation);
        CutOften(harness, 1);
        Assert.Equal(2, Generation);
        Assert.NotEqual(lost, _server.Machine.Generation.LogId);
        harness.SetConnected(0, true);
        harness.RunUntilQuiet();
        AssertIsTheServers(harness);
        Assert.Equal("0+1+3", Text(harness, 1, "/task/03"));   // What was decided since is lost with the server's state, what was pending is not.
    }

    /// <summary>There is nothing that a client switches: what it pulls is one entry of its own log, cut or not.</summary>
    [Fact]
    public void Wherever_a_client_loses_power_over_cuts_base_cursor_and_timeline_stay_together()
    {
        int crashes = 0;
        for (int nth = 1; nth < 160; nth += 2)
        {
            Serve(ref _server, new NamespaceOptions());
            SyncHarness harness = Start(1, seed: nth);
            SyncHarnessClient client = harness.Clients[0];
            var laws = new SyncLaws();
            client.Disk.StopAt(client.Disk.OperationCount + nth, nth % 4 == 1 ? StopMoment.Before : StopMoment.Halfway);
            var acknowledged = new List<int>();
            for (int tag = 1; tag <= 30; tag++)
            {
                try
                {
                    harness.Mutate(0, new AppendTask("/task/03", tag));
                    acknowledged.Add(tag);
                }
                catch (Exception e) when (e is SimulatedCrashException or StoreFailedException or OutcomeUnknownException)
                {
                    // It may be there.
                }

                if (tag % 3 == 0) CutOften(harness, 1, "/task/04");
                for (int steps = 0; steps < 3; steps++) harness.Step();
                laws.Check(client, $"stop at {nth}, call {tag}");
            }

            harness.RunUntilQuiet();
            AssertIsTheServers(harness);
            crashes += client.Crashes;
            Assert.Equal((10L, 0), (Generation, _server.Resets));
            foreach (int tag in acknowledged) Assert.True(harness.TryGet(0, TaskMutators.TagKey(tag), out ReadOnlyMemory<byte> count) && count.Span[0] == 1, $"stop at {nth}: mutation {tag} did not take effect once");
        }

        Assert.True(crashes > 40, $"only {crashes} crashes");
    }

    [Fact]
    public void An_answer_from_before_a_cut_that_comes_late_changes_nothing()
    {
        SyncHarness harness = StartSynced(records: 5);
        SyncHarnessClient client = harness.Clients[0];
        SyncPull old = client.Replica.Machine.Pull();
        harness.PutOnServer("/task/03", "old"u8.ToArray());
        var answer = new System.Buffers.ArrayBufferWriter<byte>();
        SyncCodec.Write(answer, _server.Answer(old));
        CutOften(harness, 2);
        harness.RunUntilQuiet();
        LocalFields fields = client.Fields;
        (LocalAnswer applied, long _) = client.Run(LocalCommand.Answered, LocalCommands.Answered(old, client.NewClientId(), answer.WrittenSpan));
        Assert.Equal(LocalStatus.NotFitting, applied.Status);
        Assert.Equal(fields, client.Fields);
    }

    [Fact]
    public void Two_clients_of_one_directory_are_found_out_behind_a_cut_as_before_it()
    {
        SyncHarness harness = StartSynced(records: 5);
        harness.Mutate(0, new AppendTask("/task/03", 1));
        harness.RunUntilQuiet();
        SyncHarnessClient copy = harness.Add(TaskMutators.Client, harness.Clients[0].CopyDisk());
        copy.SetConnected(false);
        harness.Mutate(0, new AppendTask("/task/03", 2));
        harness.RunUntilQuiet();
        CutOften(harness, 3, "/task/04");
        harness.Mutate(1, new AppendTask("/task/03", 3));
        copy.SetConnected(true);
        StepUntil(harness, () => copy.Fields.Question != LocalStoreQuestion.None);
        Assert.Equal((LocalStoreQuestion.Forked, 1), (copy.Fields.Question, harness.PendingCount(1)));
        copy.Run(LocalCommand.Decide, LocalCommands.Decide(LocalStoreAnswer.PushAgain, copy.NewClientId()));
        harness.RunUntilQuiet();
        AssertIsTheServers(harness);
        Assert.Equal("0+1+2+3", Text(harness, 1, "/task/03"));
    }

    /// <summary>A server whose rows are not what its hash says: nothing that the client downloads can be right.</summary>
    [Fact]
    public void A_state_that_has_not_the_hash_it_comes_with_is_never_read_and_not_fetched_for_ever()
    {
        for (int i = 0; i < 20; i++) Write($"/task/{i:D2}", [48]);
        var lying = new LyingServer(_server);
        var harness = new SyncHarness(TaskMutators.Client, lying, new SyncHarnessOptions { Clients = 1 });
        SyncHarnessClient client = harness.Clients[0];
        harness.RunUntilQuiet();
        harness.Mutate(0, new PutTask("/task/90", 1));
        lying.IsWrong = true;
        Write("/task/03", [49]);
        _server.Cut();
        client.Tell(new SyncWanted());
        StepUntil(harness, () => client.Fields.IsEnded);
        Assert.Equal(2, lying.Wholes);   // What it was told of changes, and one download.
        int asked = lying.Answers;
        for (TimeSpan until = harness.Elapsed + TimeSpan.FromMinutes(5); harness.Elapsed < until && harness.Step();)
        {
        }

        Assert.Equal((asked, SyncState.Faulted), (lying.Answers, client.Replica.Leader.Sync!.Status.State));
        Assert.Equal(("0", "1"), (Text(harness, 0, "/task/03"), Text(harness, 0, "/task/90")));   // It shows what it had, and what is pending.
        lying.IsWrong = false;
        client.Run(LocalCommand.Retry, LocalCommands.Retry());
        harness.RunUntilQuiet();
        AssertIsTheServers(harness);
        Assert.Equal(("1", "1"), (Text(harness, 0, "/task/03"), Text(harness, 0, "/task/90")));
    }

    private static SyncHarnessServer Serve(NamespaceOptions settings) => new(SeededChance.For(1, 1), TaskMutators.NewServer, settings);

    private static void Serve(ref SyncHarnessServer server, NamespaceOptions settings)
    {
        server.Dispose();
        server = Serve(settings);
    }

    private SyncHarness Start(int clients, int seed = 1) => new(TaskMutators.Client, _server, new SyncHarnessOptions { Clients = clients, Seed = seed });

    /// <summary>Clients that have some records, each with one digit.</summary>
    private SyncHarness StartSynced(int records, int clients = 1)
    {
        for (int i = 0; i < records; i++) Write($"/task/{i:D2}", [48]);
        SyncHarness harness = Start(clients);
        harness.RunUntilQuiet();
        return harness;
    }

    private void Write(string key, byte[] value) => _server.Write(output => CommandWriter.WritePut(output, null, Encoding.UTF8.GetBytes(key), value, default));

    /// <summary>Cuts, each time behind a write.</summary>
    private void CutOften(SyncHarness harness, int cuts, string key = "/often")
    {
        for (int i = 0; i < cuts; i++)
        {
            harness.PutOnServer(key, Encoding.UTF8.GetBytes($"cut {Generation}"));
            harness.CutOnServer();
        }
    }

    private void AssertIsTheServers(SyncHarness harness)
    {
        harness.AssertConverged();
        foreach (SyncHarnessClient client in harness.Clients)
        {
            Assert.Equal((0, _server.Machine.ContentHash), (client.Fields.Pending, client.Fields.Content));
            Assert.Equal(client.Fields.Content, client.Replica.Machine.SumOf(client.Fields.Tables));
        }
    }

    private long Cursor(SyncHarnessClient client) => _server.Machine.SyncClients.CursorOf(client.Fields.Client.ToByteArray(bigEndian: true))?.Mutation ?? 0;

    private static long Offset(SyncHarness harness) => harness.Clients[0].Replica.Machine.Position.Offset;

    /// <summary>Has the first client ask once more, and waits until it has all there is.</summary>
    private static void Pull(SyncHarness harness)
    {
        SyncClient sync = harness.Clients[0].Replica.Leader.Sync!;
        long asked = sync.Requests;
        harness.Clients[0].Tell(new SyncWanted());
        StepUntil(harness, () => sync.CaughtUp > asked);
    }

    private static void StepUntil(SyncHarness harness, Func<bool> holds)
    {
        TimeSpan until = harness.Elapsed + TimeSpan.FromMinutes(2);
        while (!holds()) Assert.True(harness.Step() && harness.Elapsed < until, "it does not come about");
    }

    private static string? Text(SyncHarness harness, int client, string key) => harness.TryGet(client, key, out ReadOnlyMemory<byte> value) ? Encoding.UTF8.GetString(value.Span) : null;

    /// <summary>Says of each state that is whole that it has another hash.</summary>
    private sealed class LyingServer(SyncHarnessServer server) : ISyncServer
    {
        internal bool IsWrong { get; set; }

        internal int Answers { get; private set; }

        /// <summary>How many copies were whole by what it said, wrongly.</summary>
        internal int Wholes { get; private set; }

        public SyncAnswer Answer(SyncPull pull)
        {
            Answers++;
            SyncAnswer answer = server.Answer(pull);
            if (!IsWrong || answer is not SyncChanges { Bound: null } whole) return answer;
            Wholes++;
            return whole with { Position = whole.Position with { Content = whole.Position.Content with { Low = whole.Position.Content.Low ^ 1 } } };
        }

        public SyncPushed Answer(SyncPush push) => IsWrong ? new SyncPushed(0, SyncRefusal.Delayed, "Not now.") : server.Answer(push);
    }
}
