using Infinorm.Variables;

namespace Infinorm.Tests.Variables;

public class VariableStoreTests
{
    [Fact]
    public void KeepsTheLastValueAndTheFirstOrder()
    {
        var store = new VariableStore();
        var replaced = NdArray.Create([3f]);
        store.Save("1", NdArray.Create([1f]));
        store.Save("0", NdArray.Create([2f]));
        store.Save("1", replaced);
        Assert.Equal(["1", "0"], store.Keys);
        Assert.Same(replaced, store.Load("1"));
    }

    [Fact]
    public void NamesAMissingKey()
    {
        var error = Assert.Throws<KeyNotFoundException>(() => new VariableStore().Load("7"));
        Assert.Equal("The store has no key '7'.", error.Message);
    }

    [Fact]
    public void RefusesNull() => Assert.Throws<ArgumentNullException>(() => new VariableStore().Save("0", null!));
}
