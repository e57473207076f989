namespace Tidemark.CrashLab;

/// <summary>One thing the lab does.</summary>
internal interface IVerb
{
    string Name { get; }

    string Usage { get; }

    /// <summary>Does it and gives the exit code; null where the arguments are not understood.</summary>
    Task<int?> RunAsync(string[] args);
}

/// <summary>What the lab's exit codes mean.</summary>
internal static class ExitCode
{
    internal const int Done = 0;

    /// <summary>The arguments were not understood.</summary>
    internal const int Usage = 1;

    /// <summary>The store refused to open, or what it holds is wrong.</summary>
    internal const int Refused = 2;

    /// <summary>A write was refused or failed; nothing was acknowledged after that.</summary>
    internal const int Stopped = 3;
}
