using System.IO.Compression;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Xml.Linq;

namespace Tidemark.Integration;

public sealed class PackageTests(PackedPackages packed) : IClassFixture<PackedPackages>
{
    private static readonly string[] Promises =
    [
        "appended at 0",
        "read hello",
        "clock rises: True",
        "after a power cut: 1 record",
        "contract kept: True",
        "store: hello at version 1",
        "hosted: True",
    ];

    [Theory]
    [InlineData("Tidemark")]
    [InlineData("Tidemark.Testing")]
    [InlineData("Tidemark.Sqlite")]
    [InlineData("Tidemark.Hosting")]
    public void A_package_holds_the_assembly_its_docs_the_readme_and_the_license(string name)
    {
        using ZipArchive package = ZipFile.OpenRead(packed.At($"{name}.{packed.Version}.nupkg"));
        string[] entries = [.. package.Entries.Select(entry => entry.FullName)];
        Assert.Contains($"lib/net10.0/{name}.dll", entries);
        Assert.Contains($"lib/net10.0/{name}.xml", entries);
        Assert.Contains("README.md", entries);

        using Stream stream = package.Entries.Single(entry => entry.FullName.EndsWith(".nuspec", StringComparison.Ordinal)).Open();
        XElement metadata = XDocument.Load(stream).Root!.Elements().Single(element => element.Name.LocalName == "metadata");
        XElement Find(string element) => metadata.Elements().Single(item => item.Name.LocalName == element);
        Assert.Equal(("expression", "Apache-2.0"), (Find("license").Attribute("type")!.Value, Find("license").Value));
        Assert.Equal("README.md", Find("readme").Value);
        Assert.NotEqual("", Find("description").Value);

        string[] dependencies = [.. metadata.Descendants().Where(item => item.Name.LocalName == "dependency").Select(item => item.Attribute("id")!.Value)];
        string[] allowed = name switch
        {
            "Tidemark" => ["Microsoft.Extensions.Logging.Abstractions"],
            "Tidemark.Sqlite" => ["Microsoft.Data.Sqlite.Core", "Microsoft.Extensions.Logging.Abstractions", "Tidemark"],
            "Tidemark.Hosting" =>
            [
                "Microsoft.Extensions.Caching.Abstractions", "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.Extensions.Hosting.Abstractions",
                "Microsoft.Extensions.Logging.Abstractions", "Microsoft.Extensions.Options", "Tidemark",
            ],
            _ => ["Microsoft.Extensions.Logging.Abstractions", "Tidemark"],
        };
        Assert.Equal(allowed, dependencies.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("Tidemark")]
    [InlineData("Tidemark.Testing")]
    [InlineData("Tidemark.Sqlite")]
    [InlineData("Tidemark.Hosting")]
    public void A_package_has_symbols_beside_it_that_belong_to_its_assembly(string name)
    {
        using ZipArchive symbols = ZipFile.OpenRead(packed.At($"{name}.{packed.Version}.snupkg"));
        using ZipArchive package = ZipFile.OpenRead(packed.At($"{name}.{packed.Version}.nupkg"));
        using MemoryStream pdb = Unpack(symbols, $"lib/net10.0/{name}.pdb");
        using MemoryStream assembly = Unpack(package, $"lib/net10.0/{name}.dll");
        using MetadataReaderProvider provider = MetadataReaderProvider.FromPortablePdbStream(pdb);
        using var image = new PEReader(assembly);
        CodeViewDebugDirectoryData expected = image.ReadCodeViewDebugDirectoryData(
            image.ReadDebugDirectory().Single(entry => entry.Type == DebugDirectoryEntryType.CodeView));
        Assert.Equal(expected.Guid, new BlobContentId(provider.GetMetadataReader().DebugMetadataHeader!.Id).Guid);
    }

    [Fact]
    public async Task A_program_restores_the_packages_and_runs()
    {
        ProcessResult result = (await packed.DotnetAsync("run")).ExpectSuccess();
        Assert.Equal(Promises, Words(result));
    }

    /// <summary>Mistakes that tests can have built in are in no package.</summary>
    [Fact]
    public void The_packed_assembly_knows_no_planted_bug()
    {
        using ZipArchive package = ZipFile.OpenRead(packed.At($"Tidemark.{packed.Version}.nupkg"));
        using MemoryStream bytes = Unpack(package, "lib/net10.0/Tidemark.dll");
        var context = new AssemblyLoadContext("packed", isCollectible: true);
        Type planted = context.LoadFromStream(bytes).GetType("Tidemark.Core.Diagnostics.Planted", throwOnError: true)!;
        Assert.Equal(false, planted.GetProperty("IsPossible", BindingFlags.NonPublic | BindingFlags.Static)!.GetValue(null));
        Assert.Null(planted.GetProperty("Bug", BindingFlags.NonPublic | BindingFlags.Static));
        context.Unload();
    }

    [RequiresRuntimePackFact]
    public async Task A_trimmed_program_has_no_warnings_and_runs()
    {
        (await packed.DotnetAsync("publish", "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier, "--self-contained",
            "-p:PublishTrimmed=true", "-o", packed.InConsumer("trimmed"))).ExpectSuccess();
        string program = packed.InConsumer("trimmed", OperatingSystem.IsWindows() ? "Consumer.exe" : "Consumer");
        ProcessResult result = (await ChildProcess.RunAsync(program, packed.InConsumer())).ExpectSuccess();
        Assert.Equal(Promises, Words(result));
    }

    [Fact]
    public async Task The_tool_is_installed_from_its_package_and_looks_at_a_store()
    {
        (await ChildProcess.DotnetAsync(packed.InConsumer(), "tool", "install", "Tidemark.Tool", "--tool-path", packed.InConsumer("tools"), "--version", packed.Version)).ExpectSuccess();
        await using (TidemarkStore store = await TidemarkStore.OpenAsync(packed.InConsumer("store"))) await store.PutAsync("k", "v"u8.ToArray());
        ProcessResult result = (await ChildProcess.RunAsync(packed.InConsumer("tools", OperatingSystem.IsWindows() ? "tidemark.exe" : "tidemark"), packed.InConsumer(), "dump", "store")).ExpectSuccess();
        Assert.StartsWith("default\tk\t@1\t", result.Output, StringComparison.Ordinal);
    }

    private static string[] Words(ProcessResult result) =>
        result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static MemoryStream Unpack(ZipArchive archive, string entry)
    {
        var bytes = new MemoryStream();
        using Stream stream = archive.GetEntry(entry)!.Open();
        stream.CopyTo(bytes);
        bytes.Position = 0;
        return bytes;
    }
}
