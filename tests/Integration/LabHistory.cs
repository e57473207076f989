namespace Tidemark.Integration;

/// <summary>What the lab tried and acknowledged over all its rounds in one directory, compared with what survives.</summary>
internal sealed class LabHistory
{
    private readonly List<string> _tried = [];
    private readonly HashSet<string> _acknowledged = [];

    internal int AcknowledgedCount => _acknowledged.Count;

    internal void Add(Lab lab)
    {
        _tried.AddRange(lab.Tried);
        _acknowledged.UnionWith(lab.Acknowledged);
    }

    /// <summary>Every acknowledged record is there, in the order of the tries, once, and nothing that was not tried.</summary>
    internal void Check(IReadOnlyList<string> survivors, string story)
    {
        Dictionary<string, int> order = _tried.Select((name, at) => (name, at)).ToDictionary(pair => pair.name, pair => pair.at);
        int last = -1;
        foreach (string survivor in survivors)
        {
            Assert.True(order.TryGetValue(survivor, out int at), $"{story}: {survivor} survives and was never tried");
            Assert.True(at > last, $"{story}: {survivor} is out of order or there twice");
            last = at;
        }

        string[] lost = [.. _acknowledged.Except(survivors)];
        Assert.True(lost.Length == 0, $"{story}: {lost.Length} acknowledged records are lost, {string.Join(' ', lost.Take(5))} ...");

        // What survived is part of the log from now on, acknowledged or not.
        _tried.Clear();
        _tried.AddRange(survivors);
        _acknowledged.UnionWith(survivors);
    }
}
