using System.Numerics;
using Infinorm.Optimizers;

namespace Infinorm.Tests.Optimizers;

/// <summary>
/// Keras's formulas, element by element in the order in which they are written there: the steps of one variable by any optimizer of Keras,
/// with no line of the product's but the getters of its settings.
/// </summary>
sealed class Reference<T>(T[] weights, int[] shape, double floatRate)
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    static readonly T One = T.One;

    readonly Dictionary<string, T[]> _slots = [];
    T _product = One;
    long _time;

    public T[] W { get; } = weights;

    T Rate { get; } = D((float)floatRate);

    T Time => D(_time);

    /// <summary>Takes a step, by the formula of the optimizer's class.</summary>
    public void Step(RuleOptimizer optimizer, T[] gradient)
    {
        _time++;
        for (int i = 0; i < W.Length && optimizer.WeightDecay is { } decay; i++)
            W[i] -= W[i] * D(decay) * Rate;
        switch (optimizer)
        {
            case Adafactor o: Step(o, gradient); return;
            case Lamb o: Step(o, gradient); return;
            case Muon o when shape.Length == 2: Step(o, gradient); return;
            case Nadam o: _product = _product * D(o.Beta1) * (One - D(0.5) * Power(0.96, _time)); break;
        }

        for (int i = 0; i < W.Length; i++)
            W[i] = Step(optimizer, i, gradient[i], W[i]);
    }

    T Step(RuleOptimizer optimizer, int i, T g, T w) => optimizer switch
    {
        Adamax o => Step(o, g, w, ref Slot("m")[i], ref Slot("u")[i]),
        Sgd o => Step(o, g, w, ref Slot("m")[i]),
        RMSprop o => Step(o, g, w, ref Slot("v")[i], ref Slot("m")[i], ref Slot("a")[i]),
        Adam o => Adam(Rate, o.Beta1, o.Beta2, o.Epsilon, o.AmsGrad, g, w, ref Slot("m")[i], ref Slot("v")[i], ref Slot("h")[i]),
        Muon o => Adam(
            D((float)floatRate * (float)o.AdamLearningRateRatio), o.AdamBeta1, o.AdamBeta2, o.Epsilon, false, g, w, ref Slot("m")[i],
            ref Slot("v")[i], ref Slot("h")[i]),
        Adadelta o => Step(o, g, w, ref Slot("a")[i], ref Slot("s")[i]),
        Adagrad o => Step(o, g, w, ref Slot("a", o.InitialAccumulatorValue)[i]),
        Nadam o => Step(o, g, w, ref Slot("m")[i], ref Slot("v")[i]),
        Ftrl o => Step(o, g, w, ref Slot("n", o.InitialAccumulatorValue)[i], ref Slot("z")[i]),
        Lion o => Step(o, g, w, ref Slot("m")[i]),
        ScheduleFreeAdamW o => Step(o, g, w, ref CopyOfWeights()[i], ref Slot("v")[i]),
        _ => throw new NotSupportedException($"{optimizer.GetType().Name}: write its formula here."),
    };

    T Step(Adamax o, T g, T w, ref T m, ref T u)
    {
        m += (g - m) * D(1 - o.Beta1);
        u = T.Max(D(o.Beta2) * u, T.Abs(g));
        return w - (Rate * m / ((One - Power(o.Beta1, _time)) * (u + D(o.Epsilon))));
    }

    T Step(Sgd o, T g, T w, ref T m)
    {
        if (o.Momentum == 0)
            return w - (g * Rate);
        m = (m * D(o.Momentum)) - (g * Rate);
        return o.Nesterov ? w + ((m * D(o.Momentum)) - (g * Rate)) : w + m;
    }

    T Step(RMSprop o, T g, T w, ref T v, ref T m, ref T a)
    {
        v = (D(o.Rho) * v) + (D(1 - o.Rho) * (g * g));
        a = (D(o.Rho) * a) + (D(1 - o.Rho) * g);
        T inc = Rate * g / T.Sqrt((o.Centered ? v - (a * a) : v) + D(o.Epsilon));
        if (o.Momentum == 0)
            return w - inc;
        m = (D(o.Momentum) * m) + inc;
        return w - m;
    }

    T Adam(T rate, double beta1, double beta2, double epsilon, bool amsGrad, T g, T w, ref T m, ref T v, ref T h)
    {
        T alpha = rate * T.Sqrt(One - Power(beta2, _time)) / (One - Power(beta1, _time));
        m += (g - m) * D(1 - beta1);
        v += ((g * g) - v) * D(1 - beta2);
        h = T.Max(h, v);
        return w - (m * alpha / (T.Sqrt(amsGrad ? h : v) + D(epsilon)));
    }

    T Step(Adadelta o, T g, T w, ref T a, ref T s)
    {
        a = (D(o.Rho) * a) + (D(1 - o.Rho) * (g * g));
        T d = -(T.Sqrt(s + D(o.Epsilon)) * g / T.Sqrt(a + D(o.Epsilon)));
        s = (D(o.Rho) * s) + (D(1 - o.Rho) * (d * d));
        return w + (Rate * d);
    }

    T Step(Adagrad o, T g, T w, ref T a)
    {
        a += g * g;
        return w - (Rate * g / T.Sqrt(a + D(o.Epsilon)));
    }

    T Step(Nadam o, T g, T w, ref T m, ref T v)
    {
        T b1 = D(o.Beta1), b2 = D(o.Beta2), half = D(0.5);
        T ut = b1 * (One - (half * Power(0.96, _time))), un = b1 * (One - (half * Power(0.96, _time + 1)));
        m += (g - m) * (One - b1);
        v += ((g * g) - v) * (One - b2);
        T mh = (un * m / (One - (_product * un))) + ((One - ut) * g / (One - _product));
        return w - (mh * Rate / (T.Sqrt(v / (One - Power(o.Beta2, _time))) + D(o.Epsilon)));
    }

    T Step(Ftrl o, T g, T w, ref T n, ref T z)
    {
        T l1 = D(o.L1RegularizationStrength), k = D(o.L2RegularizationStrength) + (D(o.Beta) / (D(2) * Rate)), next = n + (g * g);
        T gs = g + (D(2 * o.L2ShrinkageRegularizationStrength) * w), raised = Power(next, -o.LearningRatePower);
        z += gs - ((raised - Power(n, -o.LearningRatePower)) / Rate * w);
        n = next;
        return (T.Max(T.Min(z, l1), -l1) - z) / ((raised / Rate) + (D(2) * k));
    }

    T Step(Lion o, T g, T w, ref T m)
    {
        T b1 = D(o.Beta1), b2 = D(o.Beta2), sign = D(T.Sign((m * b1) + (g * (One - b1))));
        m = (m * b2) + (g * (One - b2));
        return w - (Rate * sign);
    }

    T Step(ScheduleFreeAdamW o, T g, T w, ref T z, ref T v)
    {
        T b1 = D(o.Beta1), part = One / Time, lr = o.WarmupSteps > 0 ? Rate * T.Min(Time / D(o.WarmupSteps), One) : Rate;
        v += ((g * g) - v) * (One - D(o.Beta2));
        z -= lr * g / (T.Sqrt(v / (One - Power(o.Beta2, _time))) + D(o.Epsilon));
        T x = (w - ((One - b1) * z)) / b1, y = ((One - part) * x) + (part * z);
        return ((One - b1) * z) + (b1 * y);
    }

    void Step(Lamb o, T[] g)
    {
        T[] m = Slot("m"), v = Slot("v"), up = new T[W.Length];
        for (int i = 0; i < W.Length; i++)
        {
            m[i] += (g[i] - m[i]) * D(1 - o.Beta1);
            v[i] += ((g[i] * g[i]) - v[i]) * D(1 - o.Beta2);
            up[i] = m[i] / (One - Power(o.Beta1, _time)) / (T.Sqrt(v[i] / (One - Power(o.Beta2, _time))) + D(o.Epsilon));
        }

        T wn = T.Sqrt(Sum(W.Select(x => x * x))), un = T.Sqrt(Sum(up.Select(x => x * x)));
        T ratio = wn > T.Zero && un > T.Zero ? wn / un : One;
        for (int i = 0; i < W.Length; i++)
            W[i] -= ratio * Rate * up[i];
    }

    void Step(Adafactor o, T[] g)
    {
        T alpha = T.Max(D(o.Epsilon2), Rms(W)) * T.Min(Rate, One / T.Sqrt(Time));
        T b = One - Power(Time, o.Beta2Decay), a = One - b;
        T[] v = Slot("v"), s = Array.ConvertAll(g, x => (x * x) + D(o.Epsilon1));
        if (shape.Length < 2)
        {
            for (int i = 0; i < v.Length; i++)
                v[i] = (b * v[i]) + (a * s[i]);
        }
        else
        {
            int columns = shape[^1], rows = shape[^2], matrices = W.Length / (rows * columns);
            T[] r = Slot("r", length: matrices * rows), c = Slot("c", length: matrices * columns);
            for (int i = 0; i < r.Length; i++)
                r[i] = (b * r[i]) + (a * Mean(Enumerable.Range(0, columns).Select(k => s[(i * columns) + k])));
            for (int i = 0; i < c.Length; i++)
                c[i] = (b * c[i]) + (a * Mean(
                    Enumerable.Range(0, rows).Select(k => s[(((i / columns * rows) + k) * columns) + (i % columns)])));
            for (int i = 0; i < v.Length; i++)
            {
                int matrix = i / (rows * columns);
                v[i] = r[i / columns] / Mean(r.Skip(matrix * rows).Take(rows)) * c[(matrix * columns) + (i % columns)];
            }
        }

        T[] u = [.. g.Zip(v, (x, y) => x / T.Sqrt(y))];
        T clip = T.Max(One, Rms(u) / D(o.ClipThreshold));
        for (int i = 0; i < W.Length; i++)
            W[i] -= alpha * (u[i] / clip);
    }

    void Step(Muon o, T[] g)
    {
        int rows = shape[0], columns = shape[1];
        T[] m = Slot("m");
        var x = new T[rows, columns];
        for (int i = 0; i < m.Length; i++)
        {
            m[i] += g[i] + (m[i] * D(o.Momentum - 1));
            x[i / columns, i % columns] = o.Nesterov ? g[i] + (D(o.Momentum) * m[i]) : m[i];
        }

        bool turned = rows > columns;
        x = turned ? Transposed(x) : x;
        T norm = T.Sqrt(Sum(x.Cast<T>().Select(value => value * value))) + D(1e-7);
        x = Map(x, value => value / norm);
        for (int i = 0; i < o.NewtonSchulzSteps; i++)
        {
            T[,] a = Product(x, Transposed(x)), b = Plus(Map(a, D(o.MuonB)), Product(Map(a, D(o.MuonC)), a));
            x = Plus(Map(x, D(o.MuonA)), Product(b, x));
        }

        x = turned ? Transposed(x) : x;
        for (int i = 0; i < m.Length; i++)
        {
            T step = Rate * x[i / columns, i % columns];
            W[i] -= o.RmsRate is { } rms ? step * D(MathF.Sqrt(Math.Max(rows, columns))) * D(rms) : step;
        }
    }

    static T[,] Map(T[,] x, T factor) => Map(x, value => factor * value);

    static T[,] Map(T[,] x, Func<T, T> function) => Make(x.GetLength(0), x.GetLength(1), (i, j) => function(x[i, j]));

    static T[,] Plus(T[,] x, T[,] y) => Make(x.GetLength(0), x.GetLength(1), (i, j) => x[i, j] + y[i, j]);

    static T[,] Transposed(T[,] x) => Make(x.GetLength(1), x.GetLength(0), (i, j) => x[j, i]);

    static T[,] Product(T[,] x, T[,] y) => Make(
        x.GetLength(0), y.GetLength(1),
        (i, j) => D(Enumerable.Range(0, x.GetLength(1)).Sum(k => double.CreateTruncating(x[i, k]) * double.CreateTruncating(y[k, j]))));

    static T[,] Make(int rows, int columns, Func<int, int, T> value)
    {
        var made = new T[rows, columns];
        for (int i = 0; i < rows * columns; i++)
            made[i / columns, i % columns] = value(i / columns, i % columns);
        return made;
    }

    T[] Slot(string name, double initial = 0, int? length = null)
    {
        if (!_slots.TryGetValue(name, out T[]? slot))
        {
            _slots[name] = slot = new T[length ?? W.Length];
            Array.Fill(slot, D(initial));
        }

        return slot;
    }

    // Taken at the first element of the first step, so before any is changed.
    T[] CopyOfWeights()
    {
        if (!_slots.TryGetValue("z", out T[]? copy))
            _slots["z"] = copy = [.. W];
        return copy;
    }

    static T Rms(T[] values) => T.Sqrt(Mean(values.Select(value => value * value)));

    static T Mean(IEnumerable<T> values) => Sum(values) / D(values.Count());

    static T Sum(IEnumerable<T> values) => D(values.Sum(value => double.CreateTruncating(value)));

    // A power with an integer exponent has all its digits until it is rounded; so has a root; another is the library's.
    static T Power(double value, long exponent)
    {
        double rounded = double.CreateTruncating(D(value));
        return D((double)Exactly.Power(rounded, exponent));
    }

    static T Power(T value, double exponent) => exponent == 0.5
        ? T.Sqrt(value)
        : D(Math.Pow(double.CreateTruncating(value), double.CreateTruncating(D(exponent))));

    static T D(double value) => T.CreateTruncating(value);
}

/// <summary>Powers of doubles, exact before they are rounded once.</summary>
static class Exactly
{
    const int Digits = 53;

    public static double Power(double value, long exponent)
    {
        if (value == 0)
            return 0;
        int scale = Math.ILogB(value) - Digits;
        var power = BigInteger.Pow(new BigInteger(Math.ScaleB(value, -scale)), (int)exponent);
        int excess = (int)Math.Max(0, (long)power.GetBitLength() - 64);
        bool isSticky = (power & ((BigInteger.One << excess) - 1)) != 0;

        // 64 bits with a sticky last one are rounded as all would be.
        ulong head = (ulong)(power >> excess) | (isSticky ? 1UL : 0);
        return Math.ScaleB((double)head, excess + (scale * (int)exponent));
    }
}
