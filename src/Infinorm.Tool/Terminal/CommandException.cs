namespace Infinorm.Tool.Terminal;

/// <summary>What was asked for cannot be done; the message is all that there is to say.</summary>
sealed class CommandException(string message, Exception? inner = null) : Exception(message, inner);
