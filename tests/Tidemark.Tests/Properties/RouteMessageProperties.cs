using System.Buffers;

using Tidemark.Core.MessagePack;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Properties;

/// <summary>Requests to leaders, and what they carry of archives: what is written is read, and whatever comes instead is refused by one error, or is a request like any other.</summary>
public sealed class RouteMessageProperties
{
    private static readonly RouteKind[] _kinds = [RouteKind.Command, RouteKind.Read, RouteKind.KeepAlive, RouteKind.Copy, RouteKind.Archived];

    [Fact]
    public void Every_request_and_answer_is_read_as_it_was_written() => ForAll(1000, (bytes, _) =>
    {
        var read = RouteMessageCodec.Read(bytes);
        Assert.NotEqual(read.Request is null, read.Answer is null);
        Assert.Equal(bytes, read.Request is { } request ? RouteMessageCodec.ToBytes(request).ToArray() : Bytes(read.Answer!.Value));
    });

    [Fact]
    public void One_that_was_cut_short_or_goes_on_is_refused() => ForAll(200, (bytes, _) =>
    {
        for (int length = 0; length < bytes.Length; length++) Assert.False(IsRead(bytes[..length]));
        Assert.False(IsRead([.. bytes, 0xC0]));
    });

    [Fact]
    public void An_altered_one_is_refused_or_is_another() => ForAll(500, (bytes, random) =>
    {
        for (int round = 0; round < 30; round++)
        {
            byte[] altered = [.. bytes];
            altered[random.Next(altered.Length)] = (byte)random.Next(256);
            IsRead(altered);
        }
    });

    [Fact]
    public void What_it_carries_of_archives_is_read_as_it_was_written()
    {
        var random = new Random(1);
        for (int i = 0; i < 300; i++)
        {
            var demand = new CopyDemand(new HybridTimestamp((ulong)random.NextInt64()), random.Next(2) == 0);
            Assert.Equal(demand, CopyDemand.Read(demand.ToBytes().Span));
            var position = new StatePosition(random.Next(9), random.NextInt64(), new HybridTimestamp((ulong)random.NextInt64()));
            var copy = new CopyAnswer((CopyState)random.Next(3), random.NextInt64(), position, random.NextInt64(-1, long.MaxValue));
            Assert.Equal(copy, CopyAnswer.Read(AnswerOf(copy.ToBytes()) with { Position = position }));
            var news = new ArchivedNews(new HybridTimestamp((ulong)random.NextInt64()), random.Next(2) == 0, new SortedDictionary<long, long>(Enumerable.Range(0, random.Next(5)).ToDictionary(shard => (long)shard, _ => random.NextInt64())));
            ArchivedNews read = ArchivedNews.Read(news.ToBytes().Span);
            Assert.Equal((news.Time, news.IsAhead), (read.Time, read.IsAhead));
            Assert.Equal(news.Ends, read.Ends);
            foreach (byte[] bytes in (byte[][])[demand.ToBytes().ToArray(), copy.ToBytes().ToArray(), news.ToBytes().ToArray()])
            {
                for (int length = 0; length < bytes.Length; length++) Refuse(bytes[..length]);
                Refuse([.. bytes, 0xC0]);
            }
        }

        static void Refuse(byte[] bytes)
        {
            Assert.Throws<MalformedDataException>(() => CopyDemand.Read(bytes));
            Assert.Throws<MalformedDataException>(() => CopyAnswer.Read(AnswerOf(bytes)));
            Assert.Throws<MalformedDataException>(() => ArchivedNews.Read(bytes));
        }
    }

    [Fact]
    public void What_makes_no_sense_of_archives_is_refused()
    {
        Assert.Throws<MalformedDataException>(() => CopyAnswer.Read(AnswerOf(new byte[] { 0x93, 3, 0, 0 })));                      // A state there is not.
        Assert.Throws<MalformedDataException>(() => ArchivedNews.Read([0x93, 1, 0xC2, 0x91, 0]));                               // A shard without its end.
        Assert.Throws<MalformedDataException>(() => ArchivedNews.Read([0x93, 1, 0xC2, 0x94, 0, 5, 0, 6]));                      // A shard twice.
        Assert.Throws<MalformedDataException>(() => ArchivedNews.Read([0x93, 1, 0xC2, 0x92, 0xFF, 5]));                         // A shard below 0.
        Assert.Throws<MalformedDataException>(() => ArchivedNews.Read([0x93, 1, 0xC2, 0xDD, 0x7F, 0xFF, 0xFF, 0xFE]));          // More than the bytes could hold.
    }

    private static void ForAll(int count, Action<byte[], Random> check)
    {
        for (int seed = 0; seed < Soak.Times(count); seed++)
        {
            var random = new Random(seed);
            byte[] payload = new byte[random.Next(60)];
            random.NextBytes(payload);
            RouteKind kind = _kinds[seed % _kinds.Length];
            if (seed % 7 == 0)
            {
                check(Bytes(AnswerOf(payload) with
                {
                    Outcome = (RequestOutcome)random.Next((int)RequestOutcome.Refused + 1),
                    Leader = random.Next(-1, 9),
                    Text = new string('t', random.Next(9)),
                    Position = new StatePosition(random.Next(9), random.NextInt64(), new HybridTimestamp((ulong)random.NextInt64())),
                }), random);
            }
            else
            {
                check(RouteMessageCodec.ToBytes(new RouteRequest(kind, random.Next(-1, 99), random.NextInt64(), (ushort)random.Next(ushort.MaxValue), TimeSpan.FromTicks(random.NextInt64()), payload)).ToArray(), random);
            }
        }
    }

    private static RouteAnswer AnswerOf(ReadOnlyMemory<byte> bytes) => new(0, 1, RequestOutcome.Done, 1, "", default, bytes);

    private static byte[] Bytes(in RouteAnswer answer)
    {
        var output = new ArrayBufferWriter<byte>();
        RouteMessageCodec.Write(output, answer);
        return output.WrittenSpan.ToArray();
    }

    private static bool IsRead(byte[] bytes)
    {
        try
        {
            RouteMessageCodec.Read(bytes);
            return true;
        }
        catch (MalformedDataException)
        {
            return false;
        }
    }
}
