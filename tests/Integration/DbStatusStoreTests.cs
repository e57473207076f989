using System.Data.Common;

using Microsoft.Data.Sqlite;
using Npgsql;
using Tidemark.Tool;

namespace Tidemark.Integration;

/// <summary>The status store on a real PostgreSQL.</summary>
public sealed class PostgresStatusStoreTests : IAsyncLifetime
{
    private static readonly byte[] _one = "one"u8.ToArray(), _two = "two"u8.ToArray();

    private PostgresServer _server = null!;
    private NpgsqlDataSource _source = null!;

    public async Task InitializeAsync()
    {
        _server = await PostgresServer.RunAsync();
        _source = NpgsqlDataSource.Create(_server.ConnectionString);
    }

    public async Task DisposeAsync()
    {
        await _source.DisposeAsync();
        _server.Dispose();
    }

    [ExternalFact("postgresql")]
    public Task The_store_keeps_the_contract() => StatusContract.CheckAsync(name => new DbClusterStatusStore(_source, Options() with { Name = name }));

    [ExternalFact("postgresql")]
    public async Task Of_many_that_begin_at_once_on_an_empty_database_one_writes_first()
    {
        for (int round = 0; round < 5; round++)
        {
            DbClusterStatusStore[] stores = [.. Enumerable.Range(0, 16).Select(_ => new DbClusterStatusStore(_source, Options() with { Table = $"public.fresh_{round}" }))];
            long?[] answers = await Task.WhenAll(stores.Select((store, i) => Task.Run(async () => await store.TryWriteAsync(new[] { (byte)i }, 0))));
            Assert.Equal(1, Assert.Single(answers, answer => answer is not null));
            Assert.Equal(Array.FindIndex(answers, answer => answer is not null), (await stores[0].ReadAsync())!.Content.Span[0]);
        }
    }

    [ExternalFact("postgresql")]
    public async Task A_loser_whose_insert_is_refused_for_the_key_is_told_that_another_was_first()
    {
        var store = new DbClusterStatusStore(_source, Options());
        Assert.Null(await store.ReadAsync());   // Makes the table.
        await using NpgsqlConnection connection = await _source.OpenConnectionAsync();
        await using NpgsqlTransaction first = await connection.BeginTransactionAsync();
        await ExecuteAsync(connection, "insert into tidemark_status values ('cluster', 1, 'other')");
        Task<long?> second = store.TryWriteAsync(_two, 0).AsTask();
        await WaitingAsync("insert into tidemark_status");
        await first.CommitAsync();
        Assert.Null(await second);
    }

    [ExternalFact("postgresql")]
    public async Task A_statement_that_the_server_refuses_is_surely_not_done()
    {
        var store = new DbClusterStatusStore(_source, Options());
        Assert.Equal(1, await store.TryWriteAsync(_one, 0));
        await using var readOnly = NpgsqlDataSource.Create(_server.ConnectionString + ";Options=-c default_transaction_read_only=on");
        var refused = new DbClusterStatusStore(readOnly, Options());
        Assert.Equal(_one, (await refused.ReadAsync())!.Content.ToArray());
        IOException refusal = await Assert.ThrowsAsync<IOException>(async () => await refused.TryWriteAsync(_two, 1));
        Assert.Contains("read-only", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await store.ReadAsync())!.Version);
        var missing = new DbClusterStatusStore(_source, Options() with { Table = "nowhere.status" });
        await Assert.ThrowsAsync<IOException>(async () => await missing.ReadAsync());
        await Assert.ThrowsAsync<IOException>(async () => await missing.TryWriteAsync(_two, 0));
    }

    [ExternalFact("postgresql")]
    public async Task A_write_that_is_cut_off_while_it_waits_is_unknown_and_a_cancelled_one_is_cancelled()
    {
        var store = new DbClusterStatusStore(_source, Options());
        Assert.Equal(1, await store.TryWriteAsync(_one, 0));
        await using NpgsqlConnection connection = await _source.OpenConnectionAsync();
        await using NpgsqlTransaction holding = await connection.BeginTransactionAsync();
        await ExecuteAsync(connection, "select * from tidemark_status for update");
        Task<long?> cutOff = store.TryWriteAsync(_two, 1).AsTask();
        await WaitingAsync("update tidemark_status");
        await ExecuteAsync(connection, "select pg_terminate_backend(pid) from pg_stat_activity where query like 'update tidemark_status%' and pid <> pg_backend_pid()");
        await Assert.ThrowsAsync<OutcomeUnknownException>(() => cutOff);

        using var cancellation = new CancellationTokenSource();
        Task<long?> cancelled = store.TryWriteAsync(_two, 1, cancellation.Token).AsTask();
        await WaitingAsync("update tidemark_status");
        await cancellation.CancelAsync();
        OperationCanceledException error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Equal(cancellation.Token, error.CancellationToken);
        await holding.RollbackAsync();
        Assert.Equal(1, (await store.ReadAsync())!.Version);
    }

    [ExternalFact("postgresql")]
    public async Task Whatever_becomes_of_the_server_every_answer_is_true_and_a_watch_goes_on()
    {
        await using var other = NpgsqlDataSource.Create(_server.ConnectionString);
        DbStatusOptions options = Options() with { CommandTimeout = TimeSpan.FromSeconds(1) };
        using var outage = new StatusOutage(new DbClusterStatusStore(_source, options), new DbClusterStatusStore(other, options), _server);
        await outage.RunAsync(rounds: 2);
        Assert.True(outage.Unknown + outage.Refused > 0, "No write ever failed.");
        Assert.True(outage.FailedWatches > 0, "The watch never noticed.");
    }

    private static DbStatusOptions Options() => new() { PollInterval = TimeSpan.FromMilliseconds(20), CommandTimeout = TimeSpan.FromSeconds(20) };

    private static async Task ExecuteAsync(NpgsqlConnection connection, string statement)
    {
        await using var command = new NpgsqlCommand(statement, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Waits until the server has a statement that waits for a lock.</summary>
    private async Task WaitingAsync(string statement)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await using NpgsqlConnection connection = await _source.OpenConnectionAsync(deadline.Token);
        await using var command = new NpgsqlCommand($"select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '{statement}%'", connection);
        while ((long)(await command.ExecuteScalarAsync(deadline.Token))! == 0) await Task.Delay(5, deadline.Token);
    }
}

/// <summary>The status store on SQLite.</summary>
public sealed class SqliteStatusStoreTests
{
    [ExternalFact("libsqlite3-0")]
    public async Task The_store_keeps_the_contract()
    {
        SystemSqlite.Require();
        using var folder = new TemporaryDirectory();
        await using DbDataSource source = SqliteFactory.Instance.CreateDataSource($"Data Source={folder.At("status.db")};Pooling=False");
        await StatusContract.CheckAsync(name => new DbClusterStatusStore(source, new DbStatusOptions { Dialect = DbStatusDialect.Sqlite, Name = name, CommandTimeout = TimeSpan.FromSeconds(30) }));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a;drop table b")]
    [InlineData("a.b.c")]
    [InlineData("1a")]
    [InlineData("\"a\"")]
    [InlineData("ä")]
    public async Task A_table_whose_name_is_none_is_refused(string table)
    {
        await using DbDataSource source = SqliteFactory.Instance.CreateDataSource("Data Source=:memory:");
        Assert.Throws<ArgumentException>(() => new DbClusterStatusStore(source, new DbStatusOptions { Table = table }));
    }
}
