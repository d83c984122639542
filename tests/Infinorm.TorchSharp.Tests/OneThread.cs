using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

/// <summary>
/// libtorch computes with one thread in all tests: for tensors as small as theirs, threads that wait for each other cost more than they
/// do. Their number is each calling thread's own, and sums depend on it, so it is set before any test has computed something.
/// </summary>
static class OneThread
{
    [ModuleInitializer]
    public static void Set() => set_num_threads(1);
}
