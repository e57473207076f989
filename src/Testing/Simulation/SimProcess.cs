namespace Tidemark.Testing.Simulation;

/// <summary>The process of a program outside the cluster: it may stand still for a while, or end without a word.</summary>
internal sealed class SimProcess(SimWorld world)
{
    private TimeSpan _pausedUntil;

    internal bool IsDead { get; private set; }

    /// <summary>Nothing happens in it any more. What is on its way from it may still arrive.</summary>
    internal void Kill() => IsDead = true;

    internal void Pause(TimeSpan time) => _pausedUntil = world.Now + time;

    /// <summary>Has something happen in it: now, or where it stands still when it goes on.</summary>
    internal void Do(Action action)
    {
        if (IsDead) return;
        if (world.Now < _pausedUntil) After(_pausedUntil - world.Now, action);
        else action();
    }

    /// <summary>Has something happen in it later.</summary>
    internal void After(TimeSpan delay, Action action) => world.After(delay, () => Do(action));

    /// <inheritdoc cref="SimWorld.Delay"/>
    internal Task Delay(double leastMilliseconds, double mostMilliseconds)
    {
        var over = new TaskCompletionSource();
        After(world.Between(leastMilliseconds, mostMilliseconds), over.SetResult);
        return over.Task;
    }
}
