using System.Text;
using System.Text.RegularExpressions;

namespace Tidemark.Integration;

/// <summary>A block of code in a page.</summary>
/// <param name="Page">The page's path, from the root of the repository.</param>
/// <param name="Line">The line of its first line of code, from 1.</param>
/// <param name="Language">What stands behind the opening fence.</param>
/// <param name="Given">The variables that the text around it speaks of, as C# parameters; from a comment on the line before.</param>
/// <param name="Code">Its lines.</param>
internal sealed record Snippet(string Page, int Line, string Language, string Given, IReadOnlyList<string> Code);

/// <summary>Finds code in pages, and makes compilable files of it.</summary>
internal static partial class Snippets
{
    public static IEnumerable<Snippet> In(string page, IReadOnlyList<string> lines)
    {
        for (int i = 0; i < lines.Count; i++)
        {
            if (!lines[i].TrimStart().StartsWith("```", StringComparison.Ordinal)) continue;
            string indent = lines[i][..lines[i].IndexOf('`', StringComparison.Ordinal)];
            string given = i > 0 ? GivenComment().Match(lines[i - 1]).Groups[1].Value : "";
            string language = lines[i].Trim().TrimStart('`').Trim();
            int first = i + 1;
            while (++i < lines.Count && lines[i].Trim() != "```") continue;
            IEnumerable<string> code = lines.Skip(first).Take(i - first);
            yield return new Snippet(page, first + 1, language, given,
                [.. code.Select(line => line.StartsWith(indent, StringComparison.Ordinal) ? line[indent.Length..] : line)]);
        }
    }

    /// <summary>A file with the block as it stands: its statements in a method, its types beside it, its usings above.</summary>
    public static string ToSource(Snippet snippet, int number)
    {
        var usings = new StringBuilder();
        var types = new StringBuilder();
        var statements = new StringBuilder();
        bool inTypes = false;
        for (int i = 0; i < snippet.Code.Count; i++)
        {
            string line = snippet.Code[i];
            bool isUsing = !inTypes && UsingDirective().IsMatch(line);
            inTypes |= TypeDeclaration().IsMatch(line);
            StringBuilder target = isUsing ? usings : inTypes ? types : statements;
            target.Append($"#line {snippet.Line + i} \"{snippet.Page}\"\n{line}\n");
        }
        return $$"""
            {{usings}}
            namespace Snippets.Block{{number}};
            internal static class Block
            {
                internal static async Task RunAsync({{snippet.Given}})
                {
                    await Task.CompletedTask;
            {{statements}}
                }
            }
            {{types}}
            """;
    }

    [GeneratedRegex(@"^<!-- given: (.+) -->\s*$")]
    private static partial Regex GivenComment();

    [GeneratedRegex(@"^using (static )?[\w.]+;")]
    private static partial Regex UsingDirective();

    [GeneratedRegex(@"^(public |internal |sealed |static |abstract |file |readonly |partial )*(class|record|struct|interface|enum) \w")]
    private static partial Regex TypeDeclaration();
}
