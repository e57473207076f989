using System.Diagnostics;
using Tidemark.Core.MessagePack;
using Tidemark.Tests.Properties;
using Xunit.Abstractions;

namespace Tidemark.Integration;

/// <summary>Our MessagePack against an independent implementation. TIDEMARK_SEED repeats a run.</summary>
public sealed class MessagePackOracleTests(ITestOutputHelper output)
{
    private const string Python = "python3-msgpack";
    private const int Documents = 4000;

    [ExternalFact(Python)]
    public void What_we_write_the_oracle_reads_and_would_write_the_same()
    {
        var chance = new Random(Seed());
        MessagePackDocument[] documents = [.. Enumerable.Range(0, Documents).Select(_ => MessagePackDocument.Generate(chance))];
        string[] answers = Render(documents.Select(document => document.Bytes));
        for (int i = 0; i < Documents; i++)
        {
            string[] answer = answers[i].Split(' ');
            Assert.Equal(documents[i].Text, answer[0]);
            if (!documents[i].HasSingles) Assert.Equal(Convert.ToHexStringLower(documents[i].Bytes), answer[1]);
        }
    }

    [ExternalFact(Python)]
    public void What_the_oracle_writes_we_read_and_find_canonical()
    {
        string[] lines = Run(["generate", $"{Documents}", $"{Seed()}"], input: []);
        Assert.Equal(Documents, lines.Length);
        for (int i = 0; i < lines.Length; i++)
        {
            string[] parts = lines[i].Split(' ');
            bool hasSingles = i % 4 == 3;   // The oracle writes every fourth document with singles, which our canonical form keeps apart.
            Assert.Equal(parts[1], MessagePackDocument.Render(Convert.FromHexString(parts[0]), new MessagePackLimits { RequireCanonical = !hasSingles }));
        }
    }

    [ExternalFact(Python)]
    public void Damaged_messages_are_refused_by_both_or_mean_the_same_to_both()
    {
        var chance = new Random(Seed());
        byte[][] damaged = [.. Enumerable.Range(0, Documents).Select(_ => Damage(MessagePackDocument.Generate(chance).Bytes, chance))];
        string[] answers = Render(damaged);
        int accepted = 0, refused = 0;
        for (int i = 0; i < Documents; i++)
        {
            string hex = Convert.ToHexString(damaged[i]);
            string theirs = answers[i].Split(' ')[0];
            try
            {
                string ours = MessagePackDocument.Render(damaged[i]);
                Assert.True(ours == theirs, $"{hex} means {ours} to us and {theirs} to the oracle");
                accepted++;
            }
            catch (MalformedDataException malformed)
            {
                // We refuse times that our clock types cannot hold; the oracle's can.
                bool expected = theirs == "!" || malformed.Message.Contains("the time is", StringComparison.Ordinal);
                Assert.True(expected, $"{hex} is refused by us ({malformed.Message}) and means {theirs} to the oracle");
                refused++;
            }
        }
        output.WriteLine($"{accepted} still messages, {refused} refused");
        Assert.NotEqual(0, accepted);
        Assert.NotEqual(0, refused);
    }

    [ExternalFact(Python)]
    public void The_append_of_the_message_page_means_to_the_oracle_what_the_page_says()
    {
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "messages.md"));
        string example = page[(page.IndexOf("```text", StringComparison.Ordinal) + 7)..];
        byte[] bytes = Convert.FromHexString(example[..example.IndexOf("```", StringComparison.Ordinal)].ReplaceLineEndings(""));
        string payload = Convert.ToHexStringLower("tide"u8);
        Assert.Equal($"[i1,i7,i10,i3,i2,i4,i5,i9,[[i3,i{0x0006400000000001},i7,b{payload},],],]", Render([bytes])[0].Split(' ')[0]);
    }

    private static byte[] Damage(byte[] bytes, Random chance)
    {
        byte[] damaged = [.. bytes];
        int at = chance.Next(damaged.Length);
        switch (chance.Next(4))
        {
            case 0: damaged[at] ^= (byte)(1 << chance.Next(8)); return damaged;
            case 1: damaged[at] = (byte)chance.Next(256); return damaged;
            case 2: return [.. damaged[..at], (byte)chance.Next(0xC0, 0xE0), .. damaged[at..]];
            default: return damaged[..at];
        }
    }

    private int Seed()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("TIDEMARK_SEED"), out int given) ? given : Random.Shared.Next();
        output.WriteLine($"TIDEMARK_SEED={seed}");
        return seed;
    }

    private static string[] Render(IEnumerable<byte[]> messages)
    {
        string[] input = [.. messages.Select(Convert.ToHexString)];
        string[] answers = Run(["render"], input);
        Assert.Equal(input.Length, answers.Length);
        return answers;
    }

    private static string[] Run(string[] arguments, string[] input)
    {
        string script = Path.Combine(AppContext.BaseDirectory, "messagepack_oracle.py");
        var start = new ProcessStartInfo(ExternalProgram.Path(Python), [script, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        foreach (string line in input) process.StandardInput.WriteLine(line);
        process.StandardInput.Close();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.Result);
        return output.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
