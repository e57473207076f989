namespace Tidemark.Tests.Unit;

public sealed class NamespaceOptionsTests
{
    [Fact]
    public void The_defaults_are_valid_and_as_documented()
    {
        NamespaceOptions options = new();
        options.Validate();
        Assert.Equal(
            (KeyOrder.Hierarchical, 1, 480, 1_048_576, 4_194_304, 32_768, 8_388_608L, TimeSpan.FromHours(1), 10_000, 100_000),
            (options.KeyOrder, options.ShardCount, options.MaxKeyBytes, options.MaxValueBytes, options.MaxBatchBytes, options.ChangeLogEntries,
                options.ChangeLogBytes, options.ClientIdleTimeout, options.MaxClients, options.MaxSessions));
    }

    public static TheoryData<string, NamespaceOptions> OutOfRange => new()
    {
        { nameof(NamespaceOptions.ShardCount), new() { ShardCount = 0 } },
        { nameof(NamespaceOptions.ShardCount), new() { ShardCount = 4097 } },
        { nameof(NamespaceOptions.MaxKeyBytes), new() { MaxKeyBytes = 0 } },
        { nameof(NamespaceOptions.MaxKeyBytes), new() { MaxKeyBytes = 60_001 } },
        { nameof(NamespaceOptions.MaxValueBytes), new() { MaxValueBytes = -1 } },
        { nameof(NamespaceOptions.MaxValueBytes), new() { MaxValueBytes = NamespaceOptions.LargestValueBytes + 1 } },
        { nameof(NamespaceOptions.MaxBatchBytes), new() { MaxBatchBytes = 1023 } },
        { nameof(NamespaceOptions.MaxBatchBytes), new() { MaxBatchBytes = NamespaceOptions.LargestBatchBytes + 1 } },
        { nameof(NamespaceOptions.ChangeLogEntries), new() { ChangeLogEntries = 0 } },
        { nameof(NamespaceOptions.ChangeLogEntries), new() { ChangeLogEntries = NamespaceOptions.LargestChangeLogEntries + 1 } },
        { nameof(NamespaceOptions.ChangeLogBytes), new() { ChangeLogBytes = 1023 } },
        { nameof(NamespaceOptions.ChangeLogBytes), new() { ChangeLogBytes = NamespaceOptions.LargestChangeLogBytes + 1 } },
        { nameof(NamespaceOptions.ClientIdleTimeout), new() { ClientIdleTimeout = TimeSpan.FromMilliseconds(999) } },
        { nameof(NamespaceOptions.ClientIdleTimeout), new() { ClientIdleTimeout = TimeSpan.FromDays(366) } },
        { nameof(NamespaceOptions.ClientIdleTimeout), new() { ClientIdleTimeout = TimeSpan.FromSeconds(2) + TimeSpan.FromTicks(1) } },
        { nameof(NamespaceOptions.MaxClients), new() { MaxClients = 0 } },
        { nameof(NamespaceOptions.MaxClients), new() { MaxClients = NamespaceOptions.LargestTableCount + 1 } },
        { nameof(NamespaceOptions.MaxSessions), new() { MaxSessions = 0 } },
        { nameof(NamespaceOptions.MaxSessions), new() { MaxSessions = NamespaceOptions.LargestTableCount + 1 } },
    };

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void A_setting_outside_its_limits_is_refused_by_name(string setting, NamespaceOptions options) =>
        Assert.Equal(setting, Assert.Throws<ArgumentOutOfRangeException>(options.Validate).ParamName);

    [Fact]
    public void A_namespace_without_a_key_order_is_refused() =>
        Assert.Throws<ArgumentNullException>(() => new NamespaceOptions { KeyOrder = null! }.Validate());
}
