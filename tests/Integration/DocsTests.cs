using System.Text;
using System.Text.RegularExpressions;

namespace Tidemark.Integration;

public sealed partial class DocsTests
{
    private static IEnumerable<string> Pages =>
        Directory.EnumerateFiles(RepositoryRoot.Path, "*.md")
            .Concat(Directory.EnumerateFiles(RepositoryRoot.At("docs"), "*.md", SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(RepositoryRoot.Path, path).Replace('\\', '/'))
            .Order(StringComparer.Ordinal);

    private static string[] Lines(string page) => File.ReadAllLines(RepositoryRoot.At(page));

    [Fact]
    public async Task Every_block_of_CSharp_in_the_pages_compiles()
    {
        Snippet[] snippets = [.. Pages.SelectMany(page => Snippets.In(page, Lines(page))).Where(snippet => snippet.Language == "csharp")];
        Assert.NotEmpty(snippets);
        using var project = new TemporaryDirectory();
        File.WriteAllText(project.At("Snippets.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <NoWarn>$(NoWarn);CS0162;CS0168;CS0219;CS1998;CS8321</NoWarn>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
              </PropertyGroup>
              <ItemGroup>
                <Reference Include="{Path.Join(AppContext.BaseDirectory, "Tidemark.dll")}" />
                <Reference Include="{Path.Join(AppContext.BaseDirectory, "Tidemark.Testing.dll")}" />
                <Reference Include="{Path.Join(AppContext.BaseDirectory, "Tidemark.Hosting.dll")}" />
                <FrameworkReference Include="Microsoft.AspNetCore.App" />
                <Using Include="Tidemark" />
                <Using Include="Tidemark.Testing" />
                <Using Include="System.Text" />
              </ItemGroup>
            </Project>
            """);
        for (int i = 0; i < snippets.Length; i++) File.WriteAllText(project.At($"Block{i}.cs"), Snippets.ToSource(snippets[i], i));
        ProcessResult build = await ChildProcess.DotnetAsync(project.Path, "build", "-m:1", "-v:q", "-clp:NoSummary");
        string[] errors = [.. build.Output.Split('\n').Where(line => line.Contains(": error ", StringComparison.Ordinal)).Distinct()];
        Assert.True(build.ExitCode == 0, string.Join('\n', errors.DefaultIfEmpty(build.Output + build.Errors)));
    }

    [Fact]
    public void Every_block_of_code_says_its_language_in_one_way()
    {
        // "csharp" is compiled; anything like it under another name would not be.
        string[] wrong = [.. from page in Pages
                             from snippet in Snippets.In(page, Lines(page))
                             where snippet.Language is "" or "cs" or "c#" or "C#" || (snippet.Language.StartsWith("csharp", StringComparison.Ordinal) && snippet.Language != "csharp")
                             select $"{page}:{snippet.Line}: '{snippet.Language}'"];
        Assert.True(wrong.Length == 0, $"Say csharp, text, sh or what it is:\n{string.Join('\n', wrong)}");
    }

    [Fact]
    public void Every_link_within_the_repository_leads_somewhere()
    {
        var broken = new List<string>();
        int links = 0;
        foreach (string page in Pages)
        {
            foreach (Match match in Link().Matches(WithoutCode(Lines(page))))
            {
                string target = match.Groups["target"].Value;
                if (target.Contains("://", StringComparison.Ordinal) || target.StartsWith("mailto:", StringComparison.Ordinal)) continue;
                links++;
                string[] parts = target.Split('#', 2);
                string path = parts[0].Length == 0 ? RepositoryRoot.At(page) : Path.GetFullPath(RepositoryRoot.At(Path.GetDirectoryName(page)!, parts[0]));
                bool found = File.Exists(path) || Directory.Exists(path);
                if (found && parts.Length == 2 && path.EndsWith(".md", StringComparison.Ordinal)) found = Anchors(File.ReadLines(path)).Contains(parts[1]);
                if (!found) broken.Add($"{page}: {target}");
            }
        }
        Assert.True(links > 0, "No link was found at all, so the search is wrong.");
        Assert.True(broken.Count == 0, $"These lead nowhere:\n{string.Join('\n', broken)}");
    }

    private static string WithoutCode(IEnumerable<string> lines)
    {
        var text = new StringBuilder();
        bool inCode = false;
        foreach (string line in lines)
        {
            bool fence = line.TrimStart().StartsWith("```", StringComparison.Ordinal);
            inCode ^= fence;
            if (!inCode && !fence) text.Append(InlineCode().Replace(line, "")).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>Headings as the hosts of such pages make anchors of them.</summary>
    private static HashSet<string> Anchors(IEnumerable<string> lines) =>
        [.. lines.Where(line => line.StartsWith('#'))
            .Select(line => NotInAnchor().Replace(line.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-'))];

    [GeneratedRegex(@"\[[^\]]*\]\((?<target>[^)\s]+)[^)]*\)|^\[[^\]]+\]:\s*(?<target>\S+)", RegexOptions.Multiline)]
    private static partial Regex Link();

    [GeneratedRegex("`[^`]*`")]
    private static partial Regex InlineCode();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchor();
}
