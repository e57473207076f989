// Append-only facts, named by their content: said again they are not new, said anew they take the place of earlier ones, and what holds can be made again from the log at any time. Then the same on three nodes,
// of which the one that led goes in between.
//   dotnet run --project samples/Assertions -c Release [-- --data DIR]
using Assertions;

using Tidemark;

string data = Array.IndexOf(args, "--data") is >= 0 and int at && at + 1 < args.Length ? args[at + 1] : Directory.CreateTempSubdirectory("tidemark-assertions-").FullName;
Fact[] facts = [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "data", "zone1970.tab")).Where(line => !line.StartsWith('#')).SelectMany(FactsOf)];
await using TidemarkStore store = await TidemarkStore.OpenAsync(data);
FactLog log = await FactLog.OpenAsync(store, store.Topics);

int before = (await log.HistoryAsync(_ => true)).Count;
int said = await SayAllAsync(facts), again = await SayAllAsync(facts);
Console.WriteLine($"Said        {facts.Length} facts about time zones: {said} were new. Said once more: {again} were.");

// Somebody corrects himself, twice. What is said later holds.
const string Zone = "Europe/Paris";
await log.SayAsync(new Fact(Zone, "comment", $"a first guess, {Guid.NewGuid():N}"));
string last = $"the last word, {Guid.NewGuid():N}";
await log.SayAsync(new Fact(Zone, "comment", last));
List<Said> history = await log.HistoryAsync(fact => fact is { Subject: Zone, Predicate: "comment" });
Console.WriteLine($"History     of {Zone}: {history.Count} comments, the last at {history[^1].At.Physical:HH:mm:ss.ffffff}: {history[^1].Fact.Value}");

await log.IndexAsync();
SortedDictionary<string, string> index = await log.IndexedAsync(), rebuilt = await log.RebuildAsync();
SortedDictionary<string, string> countries = await log.IndexedAsync("country");
bool isSame = index.SequenceEqual(rebuilt), isLast = history[^1].Fact.Value == last && index["by-predicate|comment|Europe.Paris"] == last;
List<Said> all = await log.HistoryAsync(_ => true);
bool isOrdered = all.Zip(all.Skip(1)).All(pair => pair.First.At <= pair.Second.At);
Console.WriteLine($"Index       by predicate: {index.Count} rows, {countries.Count} of them countries; {(isSame ? "the same" : "ANOTHER")} as made anew from the log of {all.Count} facts, which is {(isOrdered ? "in order" : "OUT OF ORDER")}.");

// On three nodes it is the same code.
bool holdsOnCluster = await ClusterTour.RunAsync([.. facts.Take(40)]);
bool isRight = holdsOnCluster && isSame && isLast && isOrdered && again == 0 && all.Count == before + said + 2;
return isRight ? 0 : 1;

async Task<int> SayAllAsync(IEnumerable<Fact> some) => (await Task.WhenAll(some.Select(log.SayAsync))).Count(isNew => isNew);

static IEnumerable<Fact> FactsOf(string line)
{
    string[] columns = line.Split('\t');
    foreach (string country in columns[0].Split(',')) yield return new Fact(columns[2], $"country.{country}", country);
    yield return new Fact(columns[2], "country", columns[0].Split(',')[0]);
    yield return new Fact(columns[2], "coordinates", columns[1]);
    if (columns.Length > 3) yield return new Fact(columns[2], "comment", columns[3]);
}
