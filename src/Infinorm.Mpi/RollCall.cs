using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Infinorm.Mpi;

/// <summary>Where a rank is: in or after which exchange, and since when. Exchanges have the same numbers on all ranks.</summary>
sealed record Whereabouts(long Exchange, string Name, bool IsInside, long Since, long Calls)
{
    /// <summary>Whether the rank keeps a rank that is in this exchange waiting.</summary>
    public bool IsBehind(Whereabouts waiting) => IsInside
        ? Exchange < waiting.Exchange || (Exchange == waiting.Exchange && Name != waiting.Name)
        : Exchange < waiting.Exchange;

    public override string ToString()
    {
        string seconds = Stopwatch.GetElapsedTime(Since).TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
        if (IsInside)
            return $"in exchange {Exchange}, {Name}, for {seconds} s";
        string work = Exchange == 0 ? $"started {seconds} s ago, in no exchange yet" : $"at work for {seconds} s since exchange {Exchange}, {Name}";
        return Calls < 0 ? work : $"{work}; its optimizer was at call {Calls}";
    }
}

/// <summary>
/// Asks the other ranks where they are, and answers when they ask, on a communicator of its own. The thread that calls MPI does all of it, even
/// while the rank computes. So a rank that does not answer is suspended or has ended.
/// </summary>
sealed unsafe class RollCall(MpiLibrary library, nint communicator, int rank, int size, Func<Whereabouts> own)
{
    const int QuestionTag = 1, AnswerTag = 2, AnswerBytes = 256, HeaderBytes = 2 * sizeof(long);

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    readonly List<(nint Request, byte[] Bytes)> _underWay = []; // messages whose memory MPI may still read

    /// <summary>Answers those who have asked.</summary>
    public void Answer()
    {
        for (int other = 0; other < size; other++)
        {
            while (other != rank && library.HasMessage(other, QuestionTag, communicator))
            {
                byte question;
                library.Receive(&question, 1, other, QuestionTag, communicator);
                Send(Encoded(own()), other, AnswerTag);
            }
        }

        _underWay.RemoveAll(message => library.Test(ref message.Request));
    }

    /// <summary>Where the others are, by rank; null for this rank and those that do not answer within two seconds.</summary>
    public string?[] Ask(Whereabouts waiting, out bool[] isBehind, out bool[] hasAnswered)
    {
        var texts = new string?[size];
        isBehind = new bool[size];
        hasAnswered = new bool[size];
        hasAnswered[rank] = true;
        for (int other = 0; other < size; other++)
        {
            if (other != rank)
                Send([0], other, QuestionTag);
        }

        long start = Stopwatch.GetTimestamp();
        byte* bytes = stackalloc byte[AnswerBytes];
        while (hasAnswered.Contains(false) && Stopwatch.GetElapsedTime(start) < Patience)
        {
            Answer();
            for (int other = 0; other < size; other++)
            {
                if (other == rank || !library.HasMessage(other, AnswerTag, communicator))
                    continue;
                library.Receive(bytes, AnswerBytes, other, AnswerTag, communicator);
                (texts[other], isBehind[other]) = Decoded(new(bytes, AnswerBytes), waiting);
                hasAnswered[other] = true;
            }

            Thread.Sleep(1);
        }

        return texts;
    }

    /// <summary>The ranks that keep this rank waiting, and where they are; null if a lower rank in the same exchange reports them.</summary>
    public string? Report(Whereabouts waiting, bool isForAll)
    {
        string?[] texts = Ask(waiting, out bool[] isBehind, out bool[] hasAnswered);
        if (!isForAll && Enumerable.Range(0, rank).Any(other => hasAnswered[other] && !isBehind[other]))
            return null;
        string[] late =
        [
            .. Enumerable.Range(0, size).Where(other => isBehind[other] || !hasAnswered[other]).Select(
                other => hasAnswered[other] ? $"rank {other}: {texts[other]}" : $"rank {other} does not answer"),
        ];
        return late.Length > 0 ? string.Join("; ", late) : "all ranks are in this exchange or past it";
    }

    void Send(byte[] bytes, int other, int tag)
    {
        byte[] pinned = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: true);
        bytes.CopyTo(pinned, 0);
        fixed (byte* first = pinned)
            _underWay.Add((library.Send(first, bytes.Length, other, tag, communicator), pinned));
    }

    // The exchange's number, whether the rank is in it, and the texts of its name and of all.
    static byte[] Encoded(Whereabouts where)
    {
        var bytes = new byte[AnswerBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, where.Exchange);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(sizeof(long)), where.IsInside ? 1 : 0);
        Encoding.UTF8.TryGetBytes($"{where.Name}\0{where}", bytes.AsSpan(HeaderBytes), out _);
        return bytes;
    }

    static (string Text, bool IsBehind) Decoded(ReadOnlySpan<byte> bytes, Whereabouts waiting)
    {
        string[] texts = Encoding.UTF8.GetString(bytes[HeaderBytes..]).Split('\0');
        var where = new Whereabouts(
            BinaryPrimitives.ReadInt64LittleEndian(bytes), texts[0], BinaryPrimitives.ReadInt64LittleEndian(bytes[sizeof(long)..]) != 0, 0, -1);
        return (texts[1], where.IsBehind(waiting));
    }
}
