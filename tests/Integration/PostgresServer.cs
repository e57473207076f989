using Npgsql;

namespace Tidemark.Integration;

/// <summary>A PostgreSQL with one empty database.</summary>
internal sealed class PostgresServer : StatusServer
{
    private const string Account = "postgres";   // PostgreSQL refuses to run as root; the package makes this user.

    private static readonly bool _isRoot = Environment.UserName == "root";

    internal string ConnectionString => $"Host=127.0.0.1;Port={Port};Username={Account};Database=postgres;Timeout=2;Cancellation Timeout=500";

    private string Data => Path.Join(Directory, "data");

    internal static async Task<PostgresServer> RunAsync()
    {
        var server = new PostgresServer();
        if (_isRoot) (await ChildProcess.RunAsync("chown", "/", Account, server.Directory)).ExpectSuccess();
        (string program, string[] arguments) = AsAccount("initdb", "-D", server.Data, "-U", Account, "--auth=trust", "--no-sync", "-E", "UTF8");
        (await ChildProcess.RunAsync(program, "/", arguments)).ExpectSuccess();
        await server.StartAsync();
        return server;
    }

    protected override string KillSignal => "-QUIT";   // The postmaster takes its children with it, and nothing is written any more: as a crash, with nobody left behind.

    protected override (string Program, string[] Arguments) Command() => AsAccount(
        "postgres", "-D", Data, "-p", $"{Port}", "-k", Directory, "-c", "listen_addresses=127.0.0.1");

    protected override async Task<bool> AnswersAsync()
    {
        try
        {
            await using var connection = new NpgsqlConnection(ConnectionString + ";Pooling=false");
            await connection.OpenAsync();
            return true;
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            return false;
        }
    }

    private static (string Program, string[] Arguments) AsAccount(string name, params string[] arguments)
    {
        string program = Path.Join(Path.GetDirectoryName(ExternalProgram.Path("postgresql")), name);
        return _isRoot ? ("setpriv", ["--reuid", Account, "--regid", Account, "--init-groups", program, .. arguments]) : (program, arguments);
    }
}
