// A microservice that keeps its state in a node of its own: start it three times, and there is a replicated key-value store behind each of them.
using System.Runtime.InteropServices;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

using Npgsql;

using Service;

using SQLitePCL;

using Tidemark;

WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
ServiceSettings settings;
try
{
    settings = ServiceSettings.Read(builder.Configuration);
}
catch (ArgumentException e)
{
    Console.Error.WriteLine($"{e.Message}\n{ServiceSettings.Usage}");
    return 2;
}

TidemarkBuilder tidemark = builder.Services.AddTidemark(options =>
{
    options.Node = settings.Node;
    options.Directory = settings.Data;
}).UseTcp(tcp =>
{
    tcp.Listen = settings.Listen;
    for (int node = 0; node < settings.Addresses.Count; node++) tcp.Peers[node] = settings.Addresses[node];
}).ConfigureNode((_, node) => node with { Replicas = settings.Replicas, Zone = settings.Zone, Namespace = node.Namespace with { KeyOrder = KeyOrder.Natural } });   // Ranges and prefixes are then what HTTP's users expect.

switch (settings.Status)
{
    case ("file", var path):
        tidemark.UseFileStatus(path);
        break;
    case ("etcd", var addresses):
        tidemark.UseEtcd([.. addresses.Split(',').Select(address => new Uri(address))]);
        break;
    case (_, var connection):
        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(connection));
        tidemark.UseDatabase(services => services.GetRequiredService<NpgsqlDataSource>());
        break;
}

if (settings.Engine == "lmdb") tidemark.UseLmdb();
if (settings.Engine == "sqlite")
{
    // The SQLite of the system (Debian: apt install libsqlite3-0). Most programs add a package that brings one instead, and need none of this.
    NativeLibrary.SetDllImportResolver(typeof(SQLite3Provider_e_sqlite3).Assembly, (name, _, _) => name == "e_sqlite3" ? NativeLibrary.Load("libsqlite3.so.0") : 0);
    raw.SetProvider(new SQLite3Provider_e_sqlite3());
    tidemark.UseEngine(SqliteStorage.Engine());
}

builder.Services.AddHealthChecks().AddTidemark();
builder.Services.AddSingleton(settings);
builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);   // Standard output is for "ready".
builder.Logging.SetMinimumLevel(LogLevel.Warning);                                                                  // Below it, requests are logged with their paths, which are keys.
builder.Logging.AddFilter("Tidemark", LogLevel.Information);
builder.WebHost.UseUrls($"http://{settings.Http}");
builder.WebHost.ConfigureKestrel(server => server.Limits.MaxRequestBodySize = new NamespaceOptions().MaxValueBytes);

WebApplication app = builder.Build();
app.Use(Answers.CatchAsync);
app.MapRecords();
app.MapTopics();
app.MapCluster();

await app.StartAsync();
_ = SayReadyAsync();
await app.WaitForShutdownAsync();
await app.DisposeAsync();
return 0;

async Task SayReadyAsync()
{
    var health = app.Services.GetRequiredService<HealthCheckService>();
    while (!app.Lifetime.ApplicationStopping.IsCancellationRequested)
    {
        if ((await health.CheckHealthAsync()).Status != HealthStatus.Unhealthy)
        {
            Console.WriteLine("ready");
            return;
        }

        await Task.Delay(50);
    }
}
