using Infinorm.Tool.Terminal;

namespace Infinorm.Tool.Tests;

public class ProgressTests
{
    readonly StringWriter _error = new();
    readonly Clock _clock = new();

    [Fact]
    public void NothingIsSaidWithinASecond()
    {
        var progress = new Progress(_error, isTerminal: true, _clock);
        progress.Expect(100);
        _clock.Seconds = 0.99;
        progress.Advance(50);
        progress.Clear();
        Assert.Equal("", _error.ToString());
    }

    [Fact]
    public void ATerminalHasOneLineThatChangesAndGoes()
    {
        var progress = new Progress(_error, isTerminal: true, _clock);
        progress.Expect(100);
        _clock.Seconds = 1;
        progress.Advance(50);
        _clock.Seconds = 1.05; // too soon for another
        progress.Advance(1);
        _clock.Seconds = 2;
        progress.Advance(100);
        progress.Clear();
        string clear = $"\r{new string(' ', "infinorm: 50 % after 1 s".Length)}\r", longer = $"\r{new string(' ', "infinorm: 100 % after 2 s".Length)}\r";
        Assert.Equal($"infinorm: 50 % after 1 s{clear}infinorm: 100 % after 2 s{longer}", _error.ToString());
    }

    [Fact]
    public void ALogHasALineNowAndThen()
    {
        var progress = new Progress(_error, isTerminal: false, _clock);
        progress.Expect(1000);
        for (int i = 1; i <= 70; i++)
        {
            _clock.Seconds = i / 10.0;
            progress.Advance(10);
        }

        progress.Clear();
        Assert.Equal("infinorm: 10 % after 1 s\ninfinorm: 60 % after 6 s\n", _error.ToString());
    }

    sealed class Clock : TimeProvider
    {
        public double Seconds { get; set; }

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)Math.Round(Seconds * 1000);
    }
}
