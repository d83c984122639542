using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Infinorm.Tests.Conformance;

/// <summary>A long run of plain apply calls, written as arrays whose leading axis is the step.</summary>
/// <param name="Steps">The number of steps.</param>
/// <param name="OptimizerVariables">An array each, or the text <c>1..T</c> for a counter.</param>
/// <param name="LearningRate">The rate after each step; null for an optimizer that has none.</param>
/// <param name="Iterations">The counter after each step: an array, or the text <c>1..T</c>.</param>
sealed record PackedSteps(
    [property: JsonPropertyName("T")] int Steps, VariableLayout[] Layout, GoldenArray[] Grads, GoldenArray[] Variables,
    JsonElement[] OptimizerVariables, GoldenArray? LearningRate, JsonElement Iterations, string? Note = null)
{
    public IEnumerable<Step> Unpack()
    {
        Func<int, byte[]>[] optimizerVariables = Array.ConvertAll(OptimizerVariables, Series);
        Func<int, byte[]> iterations = Series(Iterations);
        for (int step = 0; step < Steps; step++)
        {
            GoldenArray? rate = LearningRate?.At(step);
            yield return new ApplyStep
            {
                Grads = Array.ConvertAll(Grads, gradient => new GoldenGradient.Dense(gradient.At(step))),
                Vars = step == 0 ? [.. Enumerable.Range(0, Variables.Length)] : null,
                Layout = step == 0 ? Layout : null,
                Expect = new Expectation(
                    Array.ConvertAll(Variables, variable => variable.At(step).Bytes),
                    Array.ConvertAll(optimizerVariables, series => series(step)),
                    Iterations: Integer(iterations(step)),
                    RawIterations: Integer(optimizerVariables[0](step)),
                    rate is null
                        ? new GoldenNumber(Error: "AttributeError")
                        : new GoldenNumber(rate.Dtype.ToString().ToLowerInvariant(), Comparison.ToDoubles(rate.Dtype, rate.Bytes)[0])),
            };
        }
    }

    /// <summary>The bytes of a value after each step.</summary>
    static Func<int, byte[]> Series(JsonElement values)
    {
        if (values.ValueKind == JsonValueKind.String && values.GetString() == "1..T")
            return step => BitConverter.GetBytes(step + 1L);
        GoldenArray array = GoldenJson.Read<GoldenArray>(values);
        return step => array.At(step).Bytes;
    }

    static long Integer(byte[] bytes) =>
        bytes.Length == sizeof(int) ? BinaryPrimitives.ReadInt32LittleEndian(bytes) : BinaryPrimitives.ReadInt64LittleEndian(bytes);
}
