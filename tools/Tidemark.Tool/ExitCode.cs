namespace Tidemark.Tool;

/// <summary>How the tool ends.</summary>
internal static class ExitCode
{
    internal const int Ok = 0;
    internal const int Damage = 1;
    internal const int Refused = 2;
}

/// <summary>The tool was asked for something it cannot do.</summary>
internal sealed class UsageException(string message) : Exception(message);
