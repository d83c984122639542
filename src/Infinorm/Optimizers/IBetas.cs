namespace Infinorm.Optimizers;

/// <summary>Optimizers with a mean and a norm of the gradients, whose decay rates others may move from step to step.</summary>
interface IBetas
{
    double Beta1 { get; set; }

    double Beta2 { get; set; }
}
