using System.Numerics;

namespace Tidemark.Core.Hashing;

/// <summary>Moves a CRC-32C state past a fixed count of zero bytes in four table look-ups, whatever the count.</summary>
/// <remarks>
/// A CRC is linear: appending zeros maps each bit of the state to a fixed word, and the image of a state is the exclusive or of the
/// images of its bits. The table holds the images of all values of each of the four bytes (4 KiB). Appending bytes B to a state S
/// gives <c>Apply(S)</c> xor the state of B begun at 0, which is what lets lanes be computed apart and joined.
/// </remarks>
internal sealed class Crc32CShift
{
    private readonly uint[] _images = new uint[4 * 256];

    /// <summary>Builds the table for a count of zero bytes, in 32 passes over them.</summary>
    public Crc32CShift(int zeroBytes)
    {
        for (int bit = 0; bit < 32; bit++)
        {
            uint image = 1u << bit;
            for (int i = 0; i < zeroBytes; i++) image = BitOperations.Crc32C(image, (byte)0);
            _images[(bit / 8 * 256) + (1 << (bit % 8))] = image;
        }

        for (int table = 0; table < 4; table++)
        {
            for (int value = 1; value < 256; value++)
            {
                int lowest = value & -value;
                int offset = table * 256;
                if (value != lowest) _images[offset + value] = _images[offset + lowest] ^ _images[offset + (value ^ lowest)];
            }
        }
    }

    /// <summary>The state after the zero bytes.</summary>
    public uint Apply(uint state)
    {
        uint[] images = _images;
        return images[(byte)state] ^ images[256 + (byte)(state >> 8)] ^ images[512 + (byte)(state >> 16)] ^ images[768 + (state >> 24)];
    }
}
