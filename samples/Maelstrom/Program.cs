// A node for Maelstrom, the workbench that checks distributed systems for what they promise: it speaks JSON lines on stdin and stdout, and logs to stderr.
//   maelstrom test -w lin-kv --bin artifacts/bin/Maelstrom/release/Maelstrom --node-count 3 --concurrency 4n --rate 30 --time-limit 60 --nemesis partition
//   maelstrom test -w kafka  --bin artifacts/bin/Maelstrom/release/Maelstrom --node-count 3 --concurrency 2n --rate 100 --time-limit 60
// State is kept under $MAELSTROM_DATA/<node id>, which belongs to one run of Maelstrom; where that is not set, in a new directory that goes with the process.
using Maelstrom;

string? given = Environment.GetEnvironmentVariable("MAELSTROM_DATA");
string data = given ?? Directory.CreateTempSubdirectory("tidemark-maelstrom-").FullName;
try
{
    await using var link = new Link(Console.OpenStandardInput(), Console.OpenStandardOutput());
    await using var node = new MaelstromNode(link, data);
    await node.RunAsync();
}
finally
{
    if (given is null) Directory.Delete(data, recursive: true);
}
