namespace Infinorm.Tests;

/// <summary>Asserts that a call is refused with an exception of exactly this type and message.</summary>
static class Refusal
{
    /// <param name="message">The first line of the message, without the parameter's name that .NET adds.</param>
    public static void Is<TException>(string message, Action call)
        where TException : Exception =>
        Assert.Equal(message, Assert.Throws<TException>(call).Message.Split('\n')[0].Split(" (Parameter")[0]);
}
