using System.Text;

namespace Tidemark.CrashLab;

/// <summary>Standard output by whole lines, each handed to the system in one call: whoever reads them sees what had happened when we died.</summary>
internal sealed class Lines
{
    private readonly Stream _output = Console.OpenStandardOutput();
    private readonly Lock _gate = new();

    internal void Write(string line)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(line + "\n");
        lock (_gate)
        {
            _output.Write(bytes);
            _output.Flush();
        }
    }
}
