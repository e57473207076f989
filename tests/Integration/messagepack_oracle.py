"""An independent MessagePack implementation (Debian's python3-msgpack) as the judge of ours.

render          reads one message a line in hex; answers "TEXT HEX", what it means and how this library writes it, or "! REASON" if it is none
generate N SEED writes N lines "HEX TEXT" of messages generated here

TEXT knows values and no forms: n t f i-5 d(16 hex) s(hex) b(hex) [v,v,] {k:v,} x5:(hex) T(seconds).(nanoseconds)
"""
import random
import struct
import sys

import msgpack


class Pairs(list):
    """A map as it came: in order, with keys of any kind."""


def unpack(data):
    return msgpack.unpackb(
        data, raw=False, strict_map_key=False, object_pairs_hook=Pairs, ext_hook=lambda code, content: ("ext", code, content), timestamp=0)


def text(value):
    if value is None:
        return "n"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, int):
        return "i%d" % value
    if isinstance(value, float):
        return "d" + struct.pack(">d", value).hex()
    if isinstance(value, str):
        return "s" + value.encode("utf-8").hex()
    if isinstance(value, bytes):
        return "b" + value.hex()
    if isinstance(value, Pairs):
        return "{" + "".join(text(k) + ":" + text(v) + "," for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + "".join(text(v) + "," for v in value) + "]"
    if isinstance(value, msgpack.Timestamp):
        return "T%d.%09d" % (value.seconds, value.nanoseconds)
    _, code, content = value
    return "x%d:%s" % (code, content.hex())


def pack(value, packer):
    if isinstance(value, Pairs):
        return packer.pack_map_header(len(value)) + b"".join(pack(k, packer) + pack(v, packer) for k, v in value)
    if isinstance(value, list):
        return packer.pack_array_header(len(value)) + b"".join(pack(v, packer) for v in value)
    if isinstance(value, tuple):
        _, code, content = value
        packer.pack_ext_type(code, content)  # Unlike its siblings it keeps what it packed.
        packed = packer.bytes()
        packer.reset()
        return packed
    return packer.pack(value)


def generate(chance, depth=0):
    kind = chance.randrange(12 if depth < 5 else 8)
    if kind == 0:
        return None
    if kind == 1:
        return chance.random() < 0.5
    if kind == 2:
        bits = chance.randrange(65)
        return max(-(2**63), min(2**64 - 1, chance.choice((-1, 1)) * (2**bits + chance.randrange(-2, 3))))
    if kind == 3:
        return chance.choice((0.0, -0.0, 1.5, float("inf"), chance.uniform(-1e300, 1e300), chance.uniform(-1, 1)))
    if kind == 4:
        return "".join(chr(chance.choice((chance.randrange(128), chance.randrange(0x80, 0xD800), chance.randrange(0xE000, 0x110000)))) for _ in range(length(chance)))
    if kind == 5:
        return chance.randbytes(length(chance))
    if kind == 6:
        return ("ext", chance.randrange(128), chance.randbytes(chance.choice((1, 2, 4, 8, 16, length(chance)))))
    if kind == 7:
        seconds = chance.choice((chance.randrange(2**32), chance.randrange(2**34), chance.randrange(-62135596800, 253402300800), 2**32, 2**34, -1, 0))
        return msgpack.Timestamp(seconds, chance.choice((0, 100 * chance.randrange(10**7))))
    if kind < 10:
        return [generate(chance, depth + 1) for _ in range(count(chance, depth))]
    return Pairs((generate(chance, 5), generate(chance, depth + 1)) for _ in range(count(chance, depth)))


def length(chance):
    return chance.choice((15, 16, 31, 32, 255, 256)) if chance.random() < 0.1 else 65536 if chance.random() < 0.001 else chance.randrange(12)


def count(chance, depth):
    return chance.randrange(14, 40) if depth == 0 and chance.random() < 0.05 else chance.randrange(6)


def main():
    if sys.argv[1] == "render":
        packer = msgpack.Packer(use_bin_type=True)
        for line in sys.stdin:
            try:
                value = unpack(bytes.fromhex(line))
            except Exception as reason:  # Whatever this library raises, it means that it refuses.
                print("!", type(reason).__name__)
                continue
            print(text(value), pack(value, packer).hex())
    else:
        chance = random.Random(int(sys.argv[3]))
        for number in range(int(sys.argv[2])):
            value = generate(chance)
            singles = number % 4 == 3
            packed = pack(value, msgpack.Packer(use_bin_type=True, use_single_float=singles))
            print(packed.hex(), text(unpack(packed)))


main()
