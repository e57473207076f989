using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Tidemark.Hosting;

/// <summary>A health check of a node or a local store of the host.</summary>
internal sealed class StoreHealthCheck(HostedStore hosted) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        hosted.CheckAsync(context.Registration.FailureStatus, cancellationToken);
}
