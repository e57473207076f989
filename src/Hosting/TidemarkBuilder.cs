using System.Data.Common;

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

using Tidemark.Hosting;

namespace Tidemark;

/// <summary>Says what a node that a host runs is made of. Made by <c>services.AddTidemark()</c>.</summary>
/// <remarks>A node needs a transport and a status store: of several calls the last one counts.</remarks>
public sealed class TidemarkBuilder
{
    private readonly NodeParts _parts;

    internal TidemarkBuilder(IServiceCollection services, string name, NodeParts parts)
    {
        (Services, Name, _parts) = (services, name, parts);
        Options = new OptionsBuilder<TidemarkHostOptions>(services, name);
    }

    /// <summary>The host's services.</summary>
    public IServiceCollection Services { get; }

    /// <summary>The name of the node's options, and its key among the services; empty for the node that has none.</summary>
    public string Name { get; }

    /// <summary>The node's options, to be configured or bound: <c>builder.Options.Bind(configuration.GetSection("Tidemark"))</c>.</summary>
    public OptionsBuilder<TidemarkHostOptions> Options { get; }

    /// <summary>Nodes reach each other over TCP.</summary>
    public TidemarkBuilder UseTcp(Action<TidemarkTcpOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Services.Configure(Name, configure);
        return UseTcp();
    }

    /// <summary>Nodes reach each other over TCP, as the options <see cref="TidemarkTcpOptions"/> of the node's name say.</summary>
    public TidemarkBuilder UseTcp()
    {
        _parts.UseTcp();
        return this;
    }

    /// <summary>Nodes reach each other over a transport of your own.</summary>
    /// <param name="create">Makes it, given the services and the cluster's id. The node starts and disposes it; where the node begins anew after a failure, it asks for another.</param>
    public TidemarkBuilder UseTransport(Func<IServiceProvider, Guid, ITransport> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        _parts.UseTransport(create);
        return this;
    }

    /// <summary>The cluster's status is kept in a file: all nodes are processes of one host.</summary>
    /// <param name="path">The file. Its directory is created where it is missing.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    public TidemarkBuilder UseFileStatus(string path, FileStatusOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string full = Path.GetFullPath(path);
        return UseStatusStore(_ =>
        {
            (options?.FileSystem ?? DiskFileSystem.Instance).CreateDirectory(Path.GetDirectoryName(full)!);
            return new FileClusterStatusStore(full, options);
        });
    }

    /// <summary>The cluster's status is kept in etcd.</summary>
    public TidemarkBuilder UseEtcd(EtcdStatusOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return UseStatusStore(_ => new EtcdClusterStatusStore(options));
    }

    /// <summary>The cluster's status is kept in etcd.</summary>
    /// <param name="endpoints">The client addresses of its members.</param>
    public TidemarkBuilder UseEtcd(params Uri[] endpoints) => UseEtcd(new EtcdStatusOptions { Endpoints = endpoints });

    /// <summary>The cluster's status is kept in a database.</summary>
    /// <param name="source">Finds or makes what opens connections; it is not disposed with the node. For Npgsql: <c>services =&gt; services.GetRequiredService&lt;NpgsqlDataSource&gt;()</c>.</param>
    /// <param name="options">Settings; null for PostgreSQL and the defaults.</param>
    public TidemarkBuilder UseDatabase(Func<IServiceProvider, DbDataSource> source, DbStatusOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        return UseStatusStore(services => new DbClusterStatusStore(source(services), options));
    }

    /// <summary>The cluster's status is kept in a store of your own.</summary>
    /// <param name="create">Makes it. It is disposed after the node, where it can be.</param>
    public TidemarkBuilder UseStatusStore(Func<IServiceProvider, IClusterStatusStore> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        _parts.UseStatus(create);
        return this;
    }

    /// <summary>The node keeps its rows in an engine, instead of in memory. Its directory stays with it.</summary>
    /// <param name="engine">The engine, for example <c>SqliteStorage.Engine()</c> of the package Tidemark.Sqlite.</param>
    public TidemarkBuilder UseEngine(StorageEngine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        return ConfigureNode((_, node) => node with { Engine = engine });
    }

    /// <summary>The node keeps its rows in LMDB, for data larger than memory. Needs LMDB's native library.</summary>
    public TidemarkBuilder UseLmdb(LmdbOptions? options = null) => UseEngine(StorageEngine.Lmdb(options));

    /// <summary>Sets what <see cref="TidemarkHostOptions"/> does not have, for example limits of the namespace or sizes of logs.</summary>
    /// <param name="configure">Given the services and the settings so far; gives those to use. Called in the order of the calls.</param>
    public TidemarkBuilder ConfigureNode(Func<IServiceProvider, TidemarkNodeOptions, TidemarkNodeOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        _parts.Configure(configure);
        return this;
    }
}
