namespace Tidemark.Integration;

/// <summary>The packages of this state of the repository, packed once for all tests that look at them, under a version nobody else uses.</summary>
public sealed class PackedPackages : IAsyncLifetime, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    internal string Version { get; } = $"0.0.1-test.{Guid.NewGuid().ToString("N")[..12]}";

    internal string At(params string[] names) => _directory.At(["packages", .. names]);

    async Task IAsyncLifetime.InitializeAsync()
    {
        Directory.CreateDirectory(At());
        foreach (string project in (string[])["src/Tidemark.csproj", "src/Testing/Tidemark.Testing.csproj", "src/Sqlite/Tidemark.Sqlite.csproj", "src/Hosting/Tidemark.Hosting.csproj", "tools/Tidemark.Tool/Tidemark.Tool.csproj"])
        {
            // Its own artifacts: a build that runs beside it is not disturbed.
            (await ChildProcess.DotnetAsync(RepositoryRoot.Path,
                "pack", project, "-c", "Release", "-m:1", "-v:q", "-o", At(), $"-p:Version={Version}", $"-p:ArtifactsPath={_directory.At("artifacts")}"))
                .ExpectSuccess();
        }
        CopyConsumer();
    }

    Task IAsyncLifetime.DisposeAsync() => Task.CompletedTask;

    /// <summary>Removes the packages and all that was built with them.</summary>
    public void Dispose() => _directory.Dispose();

    /// <summary>Runs the SDK on the consumer: with the packed packages as one more source, and a package folder that is empty before.</summary>
    internal Task<ProcessResult> DotnetAsync(string command, params string[] arguments) =>
        ChildProcess.DotnetAsync(_directory.At("consumer"), [command, "-m:1", "-v:q", $"-p:TidemarkVersion={Version}", .. arguments]);

    internal string InConsumer(params string[] names) => _directory.At(["consumer", .. names]);

    private void CopyConsumer()
    {
        Directory.CreateDirectory(_directory.At("consumer"));
        foreach (string name in (string[])["Consumer.csproj", "Program.cs"])
            File.Copy(RepositoryRoot.At("tests", "Consumer", name), _directory.At("consumer", name));
        // One more source, beside those of the machine; and nothing of this version may stay in the machine's package folder.
        File.WriteAllText(_directory.At("consumer", "nuget.config"), $"""
            <configuration>
              <config>
                <add key="globalPackagesFolder" value="{_directory.At("restored")}" />
              </config>
              <packageSources>
                <add key="packed" value="{At()}" />
              </packageSources>
            </configuration>
            """);
    }
}
