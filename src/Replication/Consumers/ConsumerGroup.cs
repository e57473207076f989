namespace Tidemark;

/// <summary>Groups: consumers of one name that share the partitions of a topic.</summary>
public static class ConsumerGroup
{
    /// <summary>Joins a group. <c>await using GroupMember member = await ConsumerGroup.JoinAsync(store, topic, "billing");</c></summary>
    /// <param name="store">Where members, assignment and offsets are kept: of all members the same namespace of the same store.</param>
    /// <param name="topic">What the group reads.</param>
    /// <param name="name">The group's name. 1 to 128 bytes of UTF-8, without control characters.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The member, which others see. Its partitions come as others give them up.</returns>
    /// <exception cref="ArgumentException">It is no name.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A setting is outside its limits.</exception>
    /// <exception cref="LimitExceededException">The names are too long for the store's keys.</exception>
    /// <exception cref="WriteRefusedException">The store has as many sessions as it may.</exception>
    public static async ValueTask<GroupMember> JoinAsync(KeyValueStore store, Topic topic, string name, GroupOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new GroupOptions();
        options.Validate();
        var member = new GroupMember(store, topic, name, options);
        try
        {
            await member.JoinAsync(cancellationToken).ConfigureAwait(false);
            return member;
        }
        catch
        {
            await member.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
