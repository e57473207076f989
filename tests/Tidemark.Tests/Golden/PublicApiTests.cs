using Tidemark.Testing;

namespace Tidemark.Tests.Golden;

public sealed class PublicApiTests
{
    [Fact]
    public void The_public_face_of_Tidemark_is_the_one_reviewed() =>
        GoldenFile.AssertSame("PublicApi.Tidemark.txt", PublicApi.Of(typeof(TidemarkException).Assembly));

    [Fact]
    public void The_public_face_of_Tidemark_Testing_is_the_one_reviewed() =>
        GoldenFile.AssertSame("PublicApi.Testing.txt", PublicApi.Of(typeof(FaultyFileSystem).Assembly));

    [Fact]
    public void The_public_face_of_Tidemark_Sqlite_is_the_one_reviewed() =>
        GoldenFile.AssertSame("PublicApi.Sqlite.txt", PublicApi.Of(typeof(SqliteStorage).Assembly));

    [Fact]
    public void The_public_face_of_Tidemark_Hosting_is_the_one_reviewed() =>
        GoldenFile.AssertSame("PublicApi.Hosting.txt", PublicApi.Of(typeof(TidemarkBuilder).Assembly));
}
