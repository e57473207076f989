using Tidemark.Testing;

namespace Tidemark.Tests.Contracts;

public class OrderedEngineContractTests
{
    public static TheoryData<ContractCase<OrderedEngineSubject>> Rules => [.. OrderedEngineContract.Cases];

    [Theory]
    [MemberData(nameof(Rules))]
    public void Memory(ContractCase<OrderedEngineSubject> rule) => rule.Run(() => new OrderedEngineSubject(() => new MemoryEngine(), IsDurable: false));
}
