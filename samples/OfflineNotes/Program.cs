// Notes on two devices that are offline most of the time: each edits its own copy, and both come to one state when they meet the server, with one edit rejected, one kept beside another, and none lost.
//   dotnet run --project samples/OfflineNotes -c Release [-- --data DIR]
using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;

using Tidemark;

string data = args is ["--data", var given] ? given : Directory.CreateTempSubdirectory("tidemark-notes-").FullName;

// Functions with a name and a version, on every device and on the server. They run where they are called, and again, in its order, on the server: what it comes to there is what counts.
Mutators notes = Mutators.Empty
    .Add("note.create", version: 1, ValueSerializer.Json(NoteJson.Default.CreateNote), static (context, note) =>
    {
        if (context.Exists($"/note/{note.Id}")) context.Reject("exists", $"There is a note '{note.Id}' already.");
        context.Put($"/note/{note.Id}", Encoding.UTF8.GetBytes(note.Text));
    })
    .Add("note.append", version: 1, ValueSerializer.Json(NoteJson.Default.AppendLine), static (context, line) =>
    {
        if (!context.TryGet($"/note/{line.Id}", out ReadOnlyMemory<byte> text)) context.Reject("gone", $"The note '{line.Id}' was deleted meanwhile.");
        context.Put($"/note/{line.Id}", Encoding.UTF8.GetBytes($"{Encoding.UTF8.GetString(text.Span)} | {line.Text}"));
    });

await using TidemarkStore server = await TidemarkStore.OpenAsync(Path.Combine(data, "server"), new TidemarkStoreOptions { Mutators = notes });

for (int year = 1925; year < 2025; year++) await server.PutAsync($"/archive/{year}", "what was written then"u8.ToArray());

// 1. Both devices have been to the server once.
await using (LocalStore laptop = await OpenAsync("laptop"))
{
    await laptop.MutateAsync(new CreateNote("shopping", "milk"));
    await MeetAsync(laptop);
    await using LocalStore phone = await OpenAsync("phone");
    await MeetAsync(phone);
    Console.WriteLine($"Synced      the phone shows what the laptop wrote: shopping = {Show(phone, "shopping")}");
}

// 2. Offline, and across restarts: each edits what it has.
await using (LocalStore laptop = await OpenAsync("laptop"))
{
    await laptop.MutateAsync(new AppendLine("shopping", "bread"));
    await laptop.MutateAsync(new CreateNote("ideas", "a boat"));
    Console.WriteLine($"Laptop      offline: shopping = {Show(laptop, "shopping")}; {laptop.Pending.Count} edits wait.");
}

await using (LocalStore phone = await OpenAsync("phone"))
{
    await phone.MutateAsync(new AppendLine("shopping", "eggs"));
    await phone.MutateAsync(new CreateNote("ideas", "a house"));   // Possible here. Who comes second to the server will be told.
    Console.WriteLine($"Phone       offline: shopping = {Show(phone, "shopping")}; {phone.Pending.Count} edits wait.");
}

// 3. Meanwhile the server cuts its log, as it does by itself once that is longer than its state.
CutResult cut = (await server.CompactAsync())[0];

// 4. They meet the server, the laptop first.
await using (LocalStore laptop = await OpenAsync("laptop"))
await using (LocalStore phone = await OpenAsync("phone"))
{
    Console.WriteLine($"Reopened    {laptop.Pending.Count} edits wait on the laptop, {phone.Pending.Count} on the phone: a restart loses none.");
    SyncStatus onLaptop = await MeetAsync(laptop), onPhone = await MeetAsync(phone);
    Console.WriteLine($"Cut         the server's log goes on in generation {cut.Generation}; of {onPhone.RowsInAll} rows {onLaptop.RowsReceived} came to the laptop and {onPhone.RowsReceived} to the phone, those that changed.");
    if (cut.Generation == 0 || onLaptop.RowsReceived + onPhone.RowsReceived > 20) throw new InvalidOperationException("There was no cut, or a copy was downloaded anew.");
    await MeetAsync(laptop);
    foreach (RejectedMutation rejected in phone.Rejections)
    {
        Console.WriteLine($"Rejected    on the phone: {rejected.Name}, \"{rejected.Code}\": {rejected.Text} Its program keeps the text as another note.");
        await phone.MutateAsync(new CreateNote("ideas (phone)", "a house"));
        await phone.ForgetRejectionsAsync(rejected);
    }

    await MeetAsync(phone);
    await MeetAsync(laptop);
    string[] both = [.. new[] { laptop, phone }.Select(All)];
    Console.WriteLine($"Converged   both show {both[0]}");
    if (both[0] != both[1] || both[0] != "ideas = a boat; ideas (phone) = a house; shopping = milk | bread | eggs") throw new InvalidOperationException($"They differ, or an edit is lost: {both[0]}; {both[1]}");
}

ValueTask<LocalStore> OpenAsync(string device) => LocalStore.OpenAsync(Path.Combine(data, device), notes);

// What a device does when it is online for a moment.
async Task<SyncStatus> MeetAsync(LocalStore device)
{
    await using LocalStoreSync sync = device.SyncWith(server);
    await sync.PushedAsync();
    await sync.CaughtUpAsync();
    return sync.Status;
}

static string Show(LocalStore device, string id) => device.TryGet($"/note/{id}", out ReadOnlyMemory<byte> text) ? Encoding.UTF8.GetString(text.Span) : "nothing";

static string All(LocalStore device) => string.Join("; ", device.Scan(KeyRange.Children("/note")).Select(note =>
    string.Create(CultureInfo.InvariantCulture, $"{note.Key.ToString()["/note/".Length..]} = {Encoding.UTF8.GetString(note.Value.Span)}")));

internal sealed record CreateNote(string Id, string Text);

internal sealed record AppendLine(string Id, string Text);

[JsonSerializable(typeof(CreateNote))]
[JsonSerializable(typeof(AppendLine))]
internal sealed partial class NoteJson : JsonSerializerContext;
