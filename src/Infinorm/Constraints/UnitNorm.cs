namespace Infinorm.Constraints;

/// <summary>Norms of one: <c>w / (1e-7 + norm)</c> (Keras: <c>UnitNorm</c>).</summary>
/// <param name="axis">The axes to sum over, negative ones counted from the last; axis 0 if none is given.</param>
public sealed class UnitNorm(params int[] axis) : NormConstraint(axis)
{
    private protected override bool Divides => true;

    private protected override T Factor<T>(T norm) => T.CreateTruncating(Epsilon) + norm;
}
