namespace Infinorm.Types;

/// <summary>Functions of float32 numbers, rounded once: the double function of the exact arguments. MathF misrounds some of them.</summary>
static class Float32
{
    public static float Pow(float x, float y) => (float)Math.Pow(x, y);

    public static float Cos(float x) => (float)Math.Cos(x);

    public static float Log(float x) => (float)Math.Log(x);
}
