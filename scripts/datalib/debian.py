"""Packages of Debian: fetched by apt-get, unpacked, never installed."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Tuple

from datalib.errors import DataError

if TYPE_CHECKING:
    from datalib.downloads import Archive

MAGIC = b"!<arch>\n"
# Name, times and owners, size, and two bytes that end it.
HEADER = 60


def run_apt_download(archive: "Archive", folder: Path) -> None:
    """Let apt-get fetch one package, from whatever mirror it is set up for.

    archive (Archive): The package: `project`, `version` and `filename` as apt-get has them.
    folder (Path): Where to put it.
    RAISES (DataError): If there is no apt-get, or it cannot fetch this version.
    """
    by_hand = (
        f"Or put {archive.filename} of Debian, got by other means, into the folder for archives; "
        "its checksum is checked."
    )
    if shutil.which("apt-get") is None:
        raise DataError(
            "apt-get is not installed.",
            f"It is needed to fetch {archive.project}, a package of Debian. Run this on Debian or "
            f"Ubuntu, or in a container of one. {by_hand}",
        )
    # The folder is root's if root runs this, and the user that apt-get would change to could not
    # write there; what is fetched is checked, so that it need not change.
    command = ["apt-get", "--option", "APT::Sandbox::User=root", "download"]
    result = subprocess.run(
        [*command, f"{archive.project}={archive.version}"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    if result.returncode:
        reason = " ".join(result.stderr.split())
        raise DataError(
            f"apt-get could not fetch {archive.project} {archive.version}.",
            "Run 'apt-get update', then try again; 'apt-cache policy "
            f"{archive.project}' shows which versions it knows. {by_hand} apt-get said: {reason}",
        )


def read_package(path: Path) -> Iterator[Tuple[str, bytes]]:
    """The files that a package would install.

    path (Path): The .deb file.
    YIELDS (Tuple[str, bytes]): Names, without a slash at the beginning, and contents.
    RAISES (DataError): If it is no package.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(_data_member(path.read_bytes()))) as data:
            for member in data:
                file = data.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name.removeprefix("./"), file.read()
    except (ValueError, tarfile.TarError) as err:
        raise DataError(
            f"{path.name} is no package of Debian: {err}.", "Delete it, and fetch it again."
        ) from err


def _data_member(content: bytes) -> bytes:
    """RETURNS (bytes): Of an "ar" archive, which a package is, the member data.tar.*."""
    if not content.startswith(MAGIC):
        raise ValueError("it does not begin as one")
    start = len(MAGIC)
    while start + HEADER <= len(content):
        header = content[start : start + HEADER].decode("latin1")
        name, size = header[:16].strip().rstrip("/"), int(header[48:58])
        start += HEADER
        if name.startswith("data.tar"):
            return content[start : start + size]
        # Members begin at even places.
        start += size + size % 2
    raise ValueError("there is no data.tar in it")
