using SQLitePCL;

using Tidemark.Tool;

namespace Tidemark.Bench;

/// <summary>SQLite without an engine or a provider around it: prepared statements inside one read transaction. Rows as the store has them.</summary>
internal sealed class BareSqlite : BareReads
{
    private readonly byte[][] _keys;
    private readonly ThreadLocal<Reader> _readers;

    internal BareSqlite(string directory, StoreKey[] keys, byte[] value)
    {
        _keys = Array.ConvertAll(keys, BareRows.KeyOf);
        using (sqlite3 database = Open(directory)) Load(database, keys.Length, number => _keys[number], value, perTransaction: 100_000);
        _readers = new ThreadLocal<Reader>(() => new Reader(directory), trackAllValues: true);
    }

    /// <summary>Loads records in durable transactions of a thousand.</summary>
    internal static void Load(string directory, int records, byte[] value)
    {
        using sqlite3 database = Open(directory);
        Load(database, records, number => BareRows.KeyOf(BenchKeys.Of(number)), value, perTransaction: 1000);
    }

    internal override void Gets(Random random)
    {
        sqlite3_stmt get = _readers.Value!.Get;
        for (int i = 0; i < Batch; i++)
        {
            raw.sqlite3_bind_blob(get, 1, _keys[random.Next(_keys.Length)]);
            if (raw.sqlite3_step(get) != raw.SQLITE_ROW || Value(get, 0).Length != 100) throw new InvalidOperationException("lost");
            raw.sqlite3_reset(get);
        }
    }

    internal override long Scan()
    {
        using sqlite3_stmt scan = Prepare(_readers.Value!.Database, "select key, value from rows order by key");
        long count = 0;
        while (raw.sqlite3_step(scan) == raw.SQLITE_ROW) count += Value(scan, 1).Length / 100;
        return count;
    }

    public override void Dispose()
    {
        foreach (Reader reader in _readers.Values) reader.Dispose();
        _readers.Dispose();
    }

    private static byte[] Value(sqlite3_stmt statement, int column) => raw.sqlite3_column_blob(statement, column)[BareRows.Head..].ToArray();

    private static sqlite3 Open(string directory)
    {
        SystemSqlite.Require();
        Directory.CreateDirectory(directory);
        Check(raw.sqlite3_open(Path.Combine(directory, "bare.db"), out sqlite3 database), database);
        Run(database, "pragma journal_mode = wal");
        Run(database, "pragma synchronous = full");
        Run(database, "pragma cache_size = -65536");
        Run(database, "create table if not exists rows (key blob primary key not null, value blob not null) without rowid");
        return database;
    }

    private static void Load(sqlite3 database, int records, Func<int, byte[]> keyOf, byte[] value, int perTransaction)
    {
        byte[] row = new byte[BareRows.Head + value.Length];
        using sqlite3_stmt put = Prepare(database, "insert into rows values (?, ?)");
        for (int from = 0; from < records; from += perTransaction)
        {
            Run(database, "begin immediate");
            for (int i = from; i < Math.Min(records, from + perTransaction); i++)
            {
                raw.sqlite3_bind_blob(put, 1, keyOf(i));
                raw.sqlite3_bind_blob(put, 2, row);
                if (raw.sqlite3_step(put) != raw.SQLITE_DONE) Check(raw.sqlite3_errcode(database), database);
                raw.sqlite3_reset(put);
            }

            Run(database, "commit");
        }
    }

    private static sqlite3_stmt Prepare(sqlite3 database, string query)
    {
        Check(raw.sqlite3_prepare_v2(database, query, out sqlite3_stmt statement), database);
        return statement;
    }

    private static void Run(sqlite3 database, string command) => Check(raw.sqlite3_exec(database, command), database);

    private static void Check(int code, sqlite3 database)
    {
        if (code != raw.SQLITE_OK) throw new InvalidOperationException($"SQLite answered {code}: {raw.sqlite3_errmsg(database).utf8_to_string()}");
    }

    /// <summary>A thread's own connection, in one read transaction.</summary>
    private sealed class Reader : IDisposable
    {
        internal Reader(string directory)
        {
            Database = Open(directory);
            Get = Prepare(Database, "select value from rows where key = ?");
            Run(Database, "begin");
        }

        internal sqlite3 Database { get; }

        internal sqlite3_stmt Get { get; }

        public void Dispose()
        {
            Get.Dispose();
            Database.Dispose();
        }
    }
}
