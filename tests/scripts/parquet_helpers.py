"""Parquet files as the tests need them: one column of strings, compressed by Snappy."""

from typing import List, Sequence, Tuple

PLAIN, DICTIONARY = 0, 8


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(step: int, value: int) -> bytes:
    """A field of Thrift's compact protocol: a whole number."""
    return bytes([step << 4 | 5]) + varint(value << 1)


def compress(data: bytes) -> bytes:
    """Snappy that compresses nothing."""
    n = len(data) - 1
    if not data:
        return varint(0)
    if n < 60:
        return varint(len(data)) + bytes([n << 2]) + data
    size = (n.bit_length() + 7) // 8
    return varint(len(data)) + bytes([(59 + size) << 2]) + n.to_bytes(size, "little") + data


def pack(runs: Sequence[Tuple[int, int]], width: int) -> bytes:
    """Levels, behind their size: (number, value) of each run."""
    size = (width + 7) // 8
    data = b"".join(varint(n << 1) + value.to_bytes(size, "little") for n, value in runs)
    return len(data).to_bytes(4, "little") + data


def make_page(content: bytes, *, n: int, encoding: int, is_dictionary: bool = False) -> bytes:
    data = compress(content)
    about = number(1, n) + number(1, encoding) + b"\x00"
    head = number(1, 2 if is_dictionary else 0) + number(1, len(content)) + number(1, len(data))
    # Field 5 has the header of a data page, field 7 that of a dictionary.
    head += bytes([(4 if is_dictionary else 2) << 4 | 12]) + about + b"\x00"
    return head + data


def make_file(pages: List[bytes], n_rows: int) -> bytes:
    body = b"PAR1" + b"".join(pages)
    name = b"\x28" + varint(6) + b"schema"  # field 4, a text
    column = b"\x15\x0c" + b"\x38" + varint(5) + b"index" + b"\x00"
    schema = b"\x29" + bytes([2 << 4 | 12]) + b"\x35\x00" + b"\x18" + name[1:] + b"\x00" + column
    # Version, the schema as a list of structures, the number of rows; the rest is not read.
    footer = number(1, 1) + b"\x19" + schema[1:] + bytes([1 << 4 | 6]) + varint(n_rows << 1)
    footer += b"\x00"
    return body + footer + len(footer).to_bytes(4, "little") + b"PAR1"
