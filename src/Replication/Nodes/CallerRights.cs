using System.Security.Claims;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Wire;
using Tidemark.Storage.Catalog;

namespace Tidemark.Replication.Nodes;

/// <summary>Looks at what a caller asks before any of it is done: whether it may, and whether its commands are such as a program's own store gives.</summary>
/// <param name="space">The namespace.</param>
/// <param name="topicOf">The topic that a shard is a partition of; null where it is none.</param>
/// <param name="authorize">Who may do what; null for all everything.</param>
internal sealed class CallerRights(LocalNamespace space, Func<long, Topic?> topicOf, Func<ClientOperation, bool>? authorize)
{
    /// <returns>What is done: what was asked, and of mutations which are forbidden.</returns>
    /// <exception cref="NotAuthorizedException">It may not.</exception>
    /// <exception cref="ArgumentException">It means nothing here.</exception>
    /// <exception cref="ShardUnavailableException">It is about a topic that is not known here, yet or any more.</exception>
    /// <exception cref="MalformedDataException">Its command is none.</exception>
    internal StoreRequest Check(StoreRequest request, ClaimsPrincipal? principal)
    {
        switch (request)
        {
            case CommandRequest command when space.Shards.All(shard => shard.Id != command.Shard):
                Topic topic = TopicOf(command.Shard);
                Ask(Operation(TopicCommandRules.Check(command, topic.Options), principal, topic.Name));
                break;
            case CommandRequest command:
                CheckCommand(command, principal);
                break;
            case PushRequest push:
                return push with { Forbids = mutation => WhyForbidden(mutation.Name, principal) };
            case PullRequest:
                Ask(new ClientOperation(principal, ClientOperationKind.Pull, space.Settings.KeyOrder) { Range = KeyRange.All });
                break;
            case GetRequest { Index: { } index }:
                Ask(Operation(ClientOperationKind.ScanIndex, principal, index, KeyRange.All));
                break;
            case GetRequest { Comparison: KeyComparison.Equal } get:
                Ask(Operation(ClientOperationKind.Get, principal, get.Key));
                break;
            case GetRequest { Comparison: KeyComparison.Floor or KeyComparison.Lower } get:
                Ask(Operation(ClientOperationKind.Scan, principal, null, KeyRange.Between([], get.Key.Span)));
                break;
            case GetRequest get:
                Ask(Operation(ClientOperationKind.Scan, principal, null, KeyRange.Between(get.Key.Span, [])));
                break;
            case ScanRequest scan:
                Ask(Operation(ClientOperationKind.Scan, principal, null, scan.Range));
                break;
            case IndexScanRequest scan:
                Ask(Operation(ClientOperationKind.ScanIndex, principal, scan.Index, KeyRange.All));
                break;
            case WatchRequest watch:
                Ask(Operation(ClientOperationKind.Watch, principal, null, watch.Range));
                break;
            case SequenceRequest watch:
                Ask(Operation(ClientOperationKind.Watch, principal, null, KeyRange.Prefix(watch.Prefix.Span)));
                break;
            case CreateTopic create:
                Ask(Operation(ClientOperationKind.CreateTopic, principal, create.Name));
                CatalogName.Require(create.Name, "topic");
                create.Options.Validate();
                break;
            case ChangeTopic change:
                Ask(Operation(ClientOperationKind.ChangeTopic, principal, change.Name));
                change.Options.Validate();
                break;
            case DeleteTopic delete:
                Ask(Operation(ClientOperationKind.DeleteTopic, principal, delete.Name));
                break;
            case MessagesRequest or BoundsRequest:
                Ask(Operation(ClientOperationKind.Read, principal, TopicOf(request.Shard).Name));
                break;
            case TrimRequest:
                Ask(Operation(ClientOperationKind.Trim, principal, TopicOf(request.Shard).Name));
                break;
        }   // The others name what only its owner knows, or nothing.

        return request;
    }

    /// <summary>Why a mutation may not be; null where it may. It is rejected in its turn: else those behind it would wait for ever.</summary>
    private string? WhyForbidden(string mutation, ClaimsPrincipal? principal)
    {
        try
        {
            Ask(new ClientOperation(principal, ClientOperationKind.Mutate, space.Settings.KeyOrder) { Mutation = mutation });
            return null;
        }
        catch (NotAuthorizedException e)
        {
            return e.Message;
        }
    }

    private void CheckCommand(CommandRequest request, ClaimsPrincipal? principal)
    {
        var reader = new MessagePackReader(request.Payload.Span);
        switch ((KvCommand)request.Command)
        {
            case KvCommand.Write:
                CheckWrite(ref reader, request.Shard, principal);
                break;
            case KvCommand.OpenSession:
                CommandParts.ReadArrayOf(3, ref reader);
                CommandParts.ReadId(ref reader);
                reader.ReadInt64();
                if (!reader.TryReadNil()) reader.ReadBytes();
                Ask(new ClientOperation(principal, ClientOperationKind.OpenSession, space.Settings.KeyOrder));
                break;
            case KvCommand.CloseSession:
                CommandParts.ReadArrayOf(1, ref reader);
                CommandParts.ReadId(ref reader);
                break;
            case KvCommand.RegisterClient:
                CommandParts.ReadArrayOf(1, ref reader);
                CommandParts.ReadId(ref reader);
                Ask(new ClientOperation(principal, ClientOperationKind.RegisterClient, space.Settings.KeyOrder));
                break;
            case KvCommand.ForgetClients:
                CommandParts.ReadArrayOf(1, ref reader);
                CommandParts.ReadArrayOf(2, ref reader);
                CommandParts.ReadId(ref reader);
                reader.ReadNil();
                break;
            case KvCommand.Cut:
                CutCommand.Read(ref reader);
                Ask(new ClientOperation(principal, ClientOperationKind.Compact, space.Settings.KeyOrder));
                break;
            default:
                throw new ArgumentException($"A client may not give commands of kind {request.Command}.", nameof(request));
        }

        reader.ReadEnd();
    }

    private void CheckWrite(ref MessagePackReader reader, long shard, ClaimsPrincipal? principal)
    {
        CommandParts.ReadWrite(ref reader, out _);
        for (int conditions = reader.ReadArrayHeader(); conditions > 0; conditions--)
        {
            CommandParts.ReadArrayOf(2, ref reader);
            Ask(Operation(ClientOperationKind.Get, principal, StoreParts.ReadKey(ref reader)));
            reader.ReadInt64();
        }

        for (int operations = reader.ReadArrayHeader(); operations > 0; operations--)
        {
            switch (CommandParts.ReadOperation(ref reader))
            {
                case KvOperation.Put:
                    PutOperation put = PutOperation.Read(ref reader);
                    StoreKey key = put.Key.ToArray();
                    if (space.ShardOf(put.HasPartitionKey ? put.PartitionKey.ToArray() : key, null).Id != shard)
                        throw new ArgumentException($"'{key}' does not belong to shard {shard}.", nameof(shard));
                    Ask(Operation(put.Deltas is null ? ClientOperationKind.Put : ClientOperationKind.PutNext, principal, key));
                    break;
                case KvOperation.Delete:
                    Ask(Operation(ClientOperationKind.Delete, principal, StoreParts.ReadKey(ref reader)));
                    CommandParts.ReadOptionalInt64(ref reader);
                    break;
                default:
                    Ask(Operation(ClientOperationKind.DeleteRange, principal, null, CommandParts.ReadRange(ref reader)));
                    break;
            }
        }
    }

    private Topic TopicOf(long shard) => topicOf(shard) ?? throw TopicOperations.NotKnown(shard);

    private ClientOperation Operation(ClientOperationKind kind, ClaimsPrincipal? principal, StoreKey key) =>
        new(principal, kind, space.Settings.KeyOrder) { Key = key };

    private ClientOperation Operation(ClientOperationKind kind, ClaimsPrincipal? principal, StoreKey? index, KeyRange range) =>
        new(principal, kind, space.Settings.KeyOrder) { Index = index, Range = range };

    private ClientOperation Operation(ClientOperationKind kind, ClaimsPrincipal? principal, string topic) => new(principal, kind, space.Settings.KeyOrder) { Topic = topic };

    private void Ask(ClientOperation operation)
    {
        bool mayDo;
        try
        {
            mayDo = authorize is null || authorize(operation);
        }
        catch (Exception)
        {
            mayDo = false;
        }

        if (mayDo) return;
        string what = operation.Topic is { } topic ? $" of topic '{topic}'" : operation.Mutation is { } mutation ? $" '{mutation}'" : operation.Key is { } key ? $" of '{key}'" : operation.Range is null ? "" : " of such a range";
        throw new NotAuthorizedException($"{operation.Principal?.Identity?.Name ?? "Who proved nothing"} may not do {operation.Kind}{what}. The nodes decide that by their option {nameof(TidemarkNodeOptions.Authorize)}.");
    }
}
