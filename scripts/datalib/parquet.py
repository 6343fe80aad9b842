"""Reading a column of strings from a Parquet file, for the one file that needs it.

Parquet is read by large libraries, of which this project needs nothing else. What is here reads a
file of one column of strings, none of them missing, compressed by Snappy, with plain or dictionary
pages (https://parquet.apache.org/docs/file-format/).
"""

from typing import Any, Dict, List, Tuple

from datalib.errors import DataError

MAGIC = b"PAR1"
DATA_PAGE, DICTIONARY_PAGE = 0, 2
PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY = 0, 2, 8
# Field numbers of the format's Thrift structures.
PAGE_TYPE, COMPRESSED_SIZE, DATA_HEADER, DICTIONARY_HEADER = 1, 3, 5, 7
N_VALUES, ENCODING = 1, 2


def read_strings(data: bytes) -> List[str]:
    """
    data (bytes): A Parquet file with one column of strings.
    RETURNS (List[str]): The strings, in order.
    RAISES (DataError): If the file is of another kind.
    """
    if data[:4] != MAGIC or data[-4:] != MAGIC:
        raise DataError("This is not a Parquet file.", f"Expected {MAGIC!r} at both ends.")
    end = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    n_rows: int = read_struct(data, end)[0][3]
    at, words, dictionary = len(MAGIC), [], []  # type: int, List[str], List[str]
    while len(words) < n_rows and at < end:
        header, at = read_struct(data, at)
        page = uncompress(data[at : at + header[COMPRESSED_SIZE]])
        at += header[COMPRESSED_SIZE]
        if header[PAGE_TYPE] == DICTIONARY_PAGE:
            dictionary = split_strings(page, header[DICTIONARY_HEADER][N_VALUES])
        elif header[PAGE_TYPE] == DATA_PAGE:
            about = header[DATA_HEADER]
            words += read_page(page, about[N_VALUES], about[ENCODING], dictionary)
        else:
            raise DataError(
                f"Unknown kind of page: {header[PAGE_TYPE]}.", "Expected data or a dictionary."
            )
    if len(words) != n_rows:
        raise DataError(f"Found {len(words)} strings.", f"Expected {n_rows}, as the file says.")
    return words


def read_page(page: bytes, n: int, encoding: int, dictionary: List[str]) -> List[str]:
    """RETURNS (List[str]): The strings of a data page, which begins with the levels that tell which
    values are missing."""
    start = 4 + int.from_bytes(page[:4], "little")
    if set(read_runs(page[4:start], 1, n)) - {1}:
        raise DataError("Some strings are missing.", "Expected a column without gaps.")
    if encoding == PLAIN:
        return split_strings(page[start:], n)
    if encoding not in (PLAIN_DICTIONARY, RLE_DICTIONARY):
        raise DataError(f"Unknown encoding: {encoding}.", "Expected plain, or by a dictionary.")
    return [dictionary[i] for i in read_runs(page[start + 1 :], page[start], n)]


def split_strings(data: bytes, n: int) -> List[str]:
    """RETURNS (List[str]): Strings that each stand behind four bytes with their length."""
    found, at = [], 0
    for _ in range(n):
        start = at + 4
        at = start + int.from_bytes(data[at:start], "little")
        found.append(data[start:at].decode("utf8"))
    return found


def read_runs(data: bytes, width: int, n: int) -> List[int]:
    """RETURNS (List[int]): The first n numbers of so many bits, which are repeated or packed."""
    found: List[int] = []
    at, mask = 0, (1 << width) - 1
    while len(found) < n:
        head, at = read_varint(data, at)
        if head & 1:  # packed, eight at a time
            size = (head >> 1) * width
            packed = int.from_bytes(data[at : at + size], "little")
            for _ in range(8 * (head >> 1)):
                found.append(packed & mask)
                packed >>= width
        else:
            size = (width + 7) // 8
            found += [int.from_bytes(data[at : at + size], "little")] * (head >> 1)
        at += size
    return found[:n]


def read_varint(data: bytes, at: int) -> Tuple[int, int]:
    """RETURNS (Tuple[int, int]): A number, seven bits a byte, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def uncompress(data: bytes) -> bytes:
    """RETURNS (bytes): What Snappy has compressed (its raw format)."""
    size, at = read_varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind, length = tag & 3, (tag >> 2) + 1
        if kind == 0:  # bytes as they are; their number is here, or in one to four bytes
            if length > 60:
                extra = length - 60
                length = int.from_bytes(data[at : at + extra], "little") + 1
                at += extra
            out += data[at : at + length]
            at += length
            continue
        if kind == 1:  # bytes that have been there before
            length, offset = ((tag >> 2) & 7) + 4, ((tag >> 5) << 8) | data[at]
            at += 1
        else:
            n_bytes = 2 * (kind - 1)
            offset = int.from_bytes(data[at : at + n_bytes], "little")
            at += n_bytes
        start = len(out) - offset
        if offset >= length:
            out += out[start : start + length]
        else:  # they overlap with what they make
            out += (out[start:] * (length // offset + 1))[:length]
    if len(out) != size:
        raise DataError(f"Found {len(out)} bytes in a page.", f"Expected {size}.")
    return bytes(out)


def read_struct(data: bytes, at: int) -> Tuple[Dict[int, Any], int]:
    """RETURNS (Tuple[Dict[int, Any], int]): The fields of a structure of Thrift's compact protocol
    by their numbers, and the place behind it."""
    fields: Dict[int, Any] = {}
    number = 0
    while data[at]:
        step, kind = data[at] >> 4, data[at] & 15
        at += 1
        if step:
            number += step
        else:
            number, at = _read_signed(data, at)
        if kind in (1, 2):  # of a field, the type is the truth value
            fields[number] = kind == 1
        else:
            fields[number], at = _read_value(data, at, kind)
    return fields, at + 1


def _read_value(data: bytes, at: int, kind: int) -> Tuple[Any, int]:
    if kind in (1, 2, 3):
        return data[at], at + 1
    if kind in (4, 5, 6):
        return _read_signed(data, at)
    if kind == 7:
        return data[at : at + 8], at + 8
    if kind == 8:
        size, at = read_varint(data, at)
        return data[at : at + size], at + size
    if kind in (9, 10):
        size, kind, at = data[at] >> 4, data[at] & 15, at + 1
        if size == 15:
            size, at = read_varint(data, at)
        values = []
        for _ in range(size):
            value, at = _read_value(data, at, kind)
            values.append(value)
        return values, at
    if kind == 12:
        return read_struct(data, at)
    raise DataError(f"Unknown type in a structure: {kind}.", "Expected a Parquet file.")


def _read_signed(data: bytes, at: int) -> Tuple[int, int]:
    value, at = read_varint(data, at)
    return (value >> 1) ^ -(value & 1), at
