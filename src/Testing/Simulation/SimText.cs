using System.Globalization;
using System.Runtime.CompilerServices;

namespace Tidemark.Testing.Simulation;

/// <summary>A law in words, which are put together only where it is broken.</summary>
[InterpolatedStringHandler]
internal ref struct LawText
{
    private DefaultInterpolatedStringHandler _text;

    public LawText(int literalLength, int formattedCount, bool holds, out bool isWanted)
    {
        isWanted = !holds;
        _text = isWanted ? new DefaultInterpolatedStringHandler(literalLength, formattedCount, CultureInfo.InvariantCulture) : default;
    }

    public void AppendLiteral(string text) => _text.AppendLiteral(text);

    public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

    public override string ToString() => _text.ToStringAndClear();
}

/// <summary>A line of the story, which is put together only where it is told.</summary>
[InterpolatedStringHandler]
internal ref struct StoryText
{
    private DefaultInterpolatedStringHandler _text;

    public StoryText(int literalLength, int formattedCount, SimWorld world, out bool isWanted)
    {
        isWanted = world.IsTold;
        _text = isWanted ? new DefaultInterpolatedStringHandler(literalLength, formattedCount, CultureInfo.InvariantCulture) : default;
    }

    public void AppendLiteral(string text) => _text.AppendLiteral(text);

    public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

    public override string ToString() => _text.ToStringAndClear();
}
