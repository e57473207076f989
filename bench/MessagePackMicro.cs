using System.Buffers;
using BenchmarkDotNet.Attributes;
using Tidemark.Core.MessagePack;

namespace Tidemark.Bench;

/// <summary>One small message of the kind a command is: seven fields, a key and a value of 100 bytes. Written, read and passed over, with allocations.</summary>
[MemoryDiagnoser]
public class MessagePackMicro
{
    private readonly ArrayBufferWriter<byte> _output = new(1024);
    private readonly byte[] _value = new byte[100];
    private byte[] _message = [];

    [GlobalSetup]
    public void Fill()
    {
        Write();
        _message = _output.WrittenSpan.ToArray();
    }

    [Benchmark(Baseline = true, Description = "copy of the message")]
    public void Floor()
    {
        _output.ResetWrittenCount();
        _output.Write(_message);
    }

    [Benchmark]
    public int Write()
    {
        _output.ResetWrittenCount();
        var writer = new MessagePackWriter(_output);
        writer.WriteArrayHeader(7);
        writer.Write(1);
        writer.Write(1_234_567_890_123);
        writer.Write(-5);
        writer.Write("/services/api/instance-17");
        writer.Write(_value);
        writer.Write(true);
        writer.WriteNil();
        writer.Flush();
        return _output.WrittenCount;
    }

    [Benchmark]
    public long Read()
    {
        var reader = new MessagePackReader(_message);
        long sum = reader.ReadArrayHeader() + reader.ReadInt32() + reader.ReadInt64() + reader.ReadInt32();
        reader.TryReadStringSpan(out ReadOnlySpan<byte> key);
        sum += key.Length + reader.ReadBytes().Length + (reader.ReadBoolean() ? 1 : 0);
        reader.ReadNil();
        reader.ReadEnd();
        return sum;
    }

    [Benchmark]
    public long Skip()
    {
        var reader = new MessagePackReader(_message);
        reader.Skip();
        return reader.Consumed;
    }
}
