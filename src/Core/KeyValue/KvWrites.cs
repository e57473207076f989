using System.Buffers;
using System.Runtime.InteropServices;

using Tidemark.Core.MessagePack;

namespace Tidemark.Core.KeyValue;

/// <summary>Applies writes: conditions and operations, all or nothing, once.</summary>
internal sealed class KvWrites(KvState state, ChangeLog changes, RecordTable records, ClientTable clients)
{
    private readonly List<KvResult> _results = [];
    private readonly ArrayBufferWriter<byte> _kept = new();
    private StoreStatus _status;
    private int _failedAt;
    private bool _isOwn;

    internal void Apply(ReadOnlySpan<byte> payload, IBufferWriter<byte> answer)
    {
        HybridTimestamp now = state.Position.Timestamp;
        _results.Clear();
        _status = StoreStatus.Ok;
        _failedAt = -1;
        WriteOrigin origin;
        byte[]? stored = null;
        try
        {
            var reader = new MessagePackReader(payload);
            origin = CommandParts.ReadWrite(ref reader, out _isOwn);
            if (!origin.IsNone) _status = clients.Judge(origin, out stored);
            if (_status == StoreStatus.Ok && stored is null) Run(ref reader, payload.Length);
            else Fail(_status, 0);
        }
        catch (MalformedDataException)
        {
            KvAnswer.Write(answer, StoreStatus.Malformed, 0, now, []);
            return;
        }

        if (stored is not null)
        {
            answer.Write(stored);
        }
        else if (origin.IsNone || _status is StoreStatus.ClientNotFound or StoreStatus.SequenceGap or StoreStatus.OutcomeForgotten)
        {
            KvAnswer.Write(answer, _status, _failedAt, now, CollectionsMarshal.AsSpan(_results));
        }
        else
        {
            _kept.ResetWrittenCount();
            KvAnswer.Write(_kept, _status, _failedAt, now, CollectionsMarshal.AsSpan(_results));
            clients.Keep(origin, _kept.WrittenSpan.ToArray());
            answer.Write(_kept.WrittenSpan);
        }
    }

    /// <summary>Does the operations that stand next and last, all or none, as a user's write would.</summary>
    /// <returns>What one of them may not, or <see cref="StoreStatus.Ok"/>.</returns>
    /// <exception cref="MalformedDataException">They are no operations. Nothing was done.</exception>
    internal StoreStatus Do(ref MessagePackReader reader)
    {
        _results.Clear();
        (_status, _failedAt, _isOwn) = (StoreStatus.Ok, -1, false);
        RunOperations(ref reader, 0);
        return _status;
    }

    /// <summary>Reads and does what follows the origin. On any fault nothing has been done.</summary>
    private void Run(ref MessagePackReader reader, int bytes)
    {
        if (bytes > state.Settings!.MaxBatchBytes) Fail(StoreStatus.BatchTooLong, 0);
        int conditions = Check(ref reader);
        RunOperations(ref reader, conditions);
    }

    /// <summary>Reads and does the operations that stand next and last, all or none.</summary>
    /// <param name="reader">At their array.</param>
    /// <param name="first">The index of the first, among what the command asks for.</param>
    private void RunOperations(ref MessagePackReader reader, int first)
    {
        int operations = reader.ReadArrayHeader();
        if (operations == 1)
        {
            RunAlone(ref reader, first);
            return;
        }

        KvState.Savepoint before = state.Save();
        (int, int) changesBefore = changes.Save();
        try
        {
            for (int i = 0; i < operations; i++) RunNext(ref reader, first + i);
            reader.ReadEnd();
        }
        catch (MalformedDataException)
        {
            state.Rollback(before);
            changes.Rollback(changesBefore);
            throw;
        }

        if (_status == StoreStatus.Ok) return;
        state.Rollback(before);
        changes.Rollback(changesBefore);
    }

    /// <summary>One operation needs no way back: it is read to its end, and then refused or done as a whole.</summary>
    private void RunAlone(ref MessagePackReader reader, int index)
    {
        switch (CommandParts.ReadOperation(ref reader))
        {
            case KvOperation.Put:
                PutOperation put = PutOperation.Read(ref reader);
                reader.ReadEnd();
                if (_status == StoreStatus.Ok) Take(records.Put(put, _isOwn), index);
                break;
            case KvOperation.Delete:
                ReadOnlySpan<byte> key = reader.ReadBytes();
                long? version = CommandParts.ReadOptionalInt64(ref reader);
                reader.ReadEnd();
                if (_status == StoreStatus.Ok) Take(records.Delete(key, version, _isOwn), index);
                break;
            default:
                KeyRange range = CommandParts.ReadRange(ref reader);
                reader.ReadEnd();
                if (_status == StoreStatus.Ok) Take(records.DeleteRange(range, _isOwn), index);
                break;
        }
    }

    private void RunNext(ref MessagePackReader reader, int index)
    {
        switch (CommandParts.ReadOperation(ref reader))
        {
            case KvOperation.Put:
                PutOperation put = PutOperation.Read(ref reader);
                if (_status == StoreStatus.Ok) Take(records.Put(put, _isOwn), index);
                break;
            case KvOperation.Delete:
                ReadOnlySpan<byte> key = reader.ReadBytes();
                long? version = CommandParts.ReadOptionalInt64(ref reader);
                if (_status == StoreStatus.Ok) Take(records.Delete(key, version, _isOwn), index);
                break;
            default:
                KeyRange range = CommandParts.ReadRange(ref reader);
                if (_status == StoreStatus.Ok) Take(records.DeleteRange(range, _isOwn), index);
                break;
        }
    }

    private int Check(ref MessagePackReader reader)
    {
        int count = reader.ReadArrayHeader();
        for (int i = 0; i < count; i++)
        {
            CommandParts.ReadArrayOf(2, ref reader);
            ReadOnlySpan<byte> key = reader.ReadBytes();
            long expected = reader.ReadInt64();
            if (_status != StoreStatus.Ok) continue;
            long found = records.VersionOf(key);
            bool holds = expected == -1 ? found != 0 : expected == found;
            if (!holds) Take(new KvResult(StoreStatus.VersionMismatch, found, null, 0), i);
        }

        return count;
    }

    private void Take(KvResult result, int index)
    {
        if (result.Status is StoreStatus.Ok or StoreStatus.NotFound)
        {
            _results.Add(result);
            return;
        }

        Fail(result.Status, index);
        _results.Add(result);
    }

    private void Fail(StoreStatus status, int index)
    {
        _status = status;
        _failedAt = index;
        _results.Clear();
    }
}
