using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Tests.KeyValue.Model;

namespace Tidemark.Tests.Unit;

/// <summary>
/// A shard with a limit of 48 bytes holds a longer record than its next settings allow: 24. The time of that record came, the leader proposed its end, and the
/// entry did nothing, since the key was judged by the new limit; so the leader proposed it again at once, for ever. And a session that was closed left its
/// record behind, which nothing could remove any more. What exists is now found whatever the limit has become.
/// </summary>
public sealed class KvLimitTests : IDisposable
{
    private static readonly Text _long = new(new byte[48]);
    private static readonly Guid _session = CommandSource.Sessions[0];

    private readonly KvMachine _machine = new(new MemoryEngine(), MachineRun.Identity);
    private readonly MachineRun _run = new(KeyOrder.Hierarchical);

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_record_longer_than_a_lowered_limit_still_expires()
    {
        WriteThenLowerTheLimit(new Put(_long, "v") { TimeToLive = 5 });
        (byte[] _, long version) = Assert.Single(_machine.DueRecords(HybridTimestamp.MaxValue, 10));
        Do(new ExpireRecords(KeyOrder.Hierarchical, [(_long, version)]));
        Assert.Null(_machine.NextExpiry);
        Assert.Equal(default, _machine.ContentHash);
    }

    [Fact]
    public void A_record_longer_than_a_lowered_limit_goes_with_its_session()
    {
        WriteThenLowerTheLimit(new Put(_long, "v") { Session = _session });
        Do(new CloseSession(_session));
        Assert.Equal(default, _machine.ContentHash);
    }

    [Fact]
    public void A_condition_sees_a_record_longer_than_a_lowered_limit()
    {
        WriteThenLowerTheLimit(new Put(_long, "v"));
        Assert.StartsWith(nameof(StoreStatus.Ok), Do(new Write(null, [new Condition(_long, -1)], [])), StringComparison.Ordinal);
    }

    private void WriteThenLowerTheLimit(Put put)
    {
        KvSettings settings = new CommandSource(0, KeyOrder.Hierarchical).Settings;
        Do(new Configure(settings));
        Do(new OpenSession(_session, 1_000, null));
        Do(new Write(null, [], [put]));
        Do(new Configure(settings with { MaxKeyBytes = 24 }));
        Assert.NotEqual(default, _machine.ContentHash);
    }

    private string Do(ModelCommand command)
    {
        RunEntry entry = _run.Append(command);
        var answer = new ArrayBufferWriter<byte>();
        _machine.Apply(entry.Entry, answer);
        return MachineCheck.Read(answer.WrittenSpan);
    }
}
