namespace Tidemark.Tests.Rebase;

/// <summary>Clients, a server, and whatever chance draws: calls, losses, crashes, corruption, copies of directories, restored servers.</summary>
public sealed class SyncProperties
{
    private const int Seeds = 60;
    private const int Commands = 120;

    [Fact]
    public void Whatever_happens_clients_show_what_their_mutations_make_of_their_base_and_come_to_the_servers_state()
    {
        for (int seed = 1; seed <= Soak.Times(Seeds); seed++) Live(seed);
        SyncRun.Hits.Require(
            "mutation", "mutation rejected", "mutation threw", "poison decided", "two versions pending", "message lost", "message twice", "crash", "crash in a mutation", "crash at an operation", "power cut", "restart",
            "connection", "trim", "cut", "upgrade", "client upgraded", "corruption", "client forgotten", "directory copied", "server restored", "answer PushAgain", "answer Discard", "trouble", "part of a copy");
    }

    internal static void Live(int seed)
    {
        var run = new SyncRun(seed);
        try
        {
            run.Run(Commands);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"Seed {seed}: {e.Message}\n{string.Join('\n', run.Story)}", e);
        }
    }
}
