"""What listings look like, packed for `c/dcz.c`, where every byte of code counts.

A byte below 128 stands for itself, one behind `ESCAPE` too. Another one and the next
say to repeat: 5 bits how many bytes, less `LEAST`, 10 bits from how far back, less 1.

    python c/listings.py
"""

from deepcompress.dcz.version2 import LISTINGS

ESCAPE = 13  # no listing of the dictionary has it
LEAST = 3
N_LENGTHS = 32
MAX_DISTANCE = 1024


def packed(text: bytes = LISTINGS) -> bytes:
    """Returns the shortest form of a text."""
    n = len(text)
    ends = [b""] * (n + 1)
    for i in reversed(range(n)):
        plain = bytes([text[i]]) if text[i] < 128 else bytes([ESCAPE, text[i]])
        ends[i] = plain + ends[i + 1]
        for distance in range(1, min(i, MAX_DISTANCE) + 1):
            length = 0
            while i + length < n and text[i + length] == text[i + length - distance]:
                length += 1
                if length - LEAST in range(N_LENGTHS):
                    pair = 1 << 15 | (length - LEAST) << 10 | distance - 1
                    end = pair.to_bytes(2, "big") + ends[i + length]
                    ends[i] = min(ends[i], end, key=len)
    return ends[0]


def literal(data: bytes, width: int = 80) -> str:
    """Returns bytes as a string of C, in several lines."""
    lines = [""]
    for byte in data:
        is_plain = 32 < byte < 127 and chr(byte) not in '"\\?'
        piece = chr(byte) if is_plain else f"\\{byte:03o}"
        if len(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(f'    "{line}"' for line in lines)


if __name__ == "__main__":
    print(literal(packed()))
