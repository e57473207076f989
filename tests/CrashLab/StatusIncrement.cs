using System.Globalization;
using System.Text;

namespace Tidemark.CrashLab;

/// <summary>Adds 1 to the number in a cluster's status file, again and again, among others who do the same.</summary>
internal sealed class StatusIncrement : IVerb
{
    public string Name => "status-increment";

    public string Usage => "status-increment FILE COUNT";

    public async Task<int?> RunAsync(string[] args)
    {
        if (args is not [{ Length: > 0 } file, _] || !int.TryParse(args[1], NumberStyles.None, CultureInfo.InvariantCulture, out int count)) return null;
        try
        {
            var store = new FileClusterStatusStore(file);
            for (int done = 0; done < count;)
            {
                ClusterStatusEntry? entry = await store.ReadAsync();
                int number = entry is null ? 0 : int.Parse(entry.Content.Span, CultureInfo.InvariantCulture);
                byte[] next = Encoding.UTF8.GetBytes((number + 1).ToString(CultureInfo.InvariantCulture));
                if (await store.TryWriteAsync(next, entry?.Version ?? 0) is not null) done++;
            }

            return ExitCode.Done;
        }
        catch (Exception e) when (e is TidemarkException or IOException)
        {
            Console.Error.WriteLine(e.Message);
            return ExitCode.Stopped;
        }
    }
}
