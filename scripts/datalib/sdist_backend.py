"""A build backend that reads the name and version of a source archive, and builds nothing.

Before pip saves a source archive it asks the build backend for the metadata, and the usual
backend runs the archive's setup.py for that. This one takes its place (see `downloads.py`)
and answers from the PKG-INFO file that every source archive holds, so that no code of the
archive is run. It imports nothing but the standard library, since pip starts it on its own.
"""

import sys
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, List


def get_requires_for_build_wheel(config_settings: Any = None) -> List[str]:
    """Nothing is needed, since nothing is built."""
    return []


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Any = None) -> str:
    """Write the metadata folder; pip starts this in the folder of the unpacked archive."""
    text = Path("PKG-INFO").read_text(encoding="utf-8")
    headers = HeaderParser().parsestr(text)
    name = f"{headers['Name'].replace('-', '_')}-{headers['Version']}.dist-info"
    folder = Path(metadata_directory) / name
    folder.mkdir()
    (folder / "METADATA").write_text(text, encoding="utf-8")
    return name


# What pip asks for if an archive has no pyproject.toml: "setuptools.build_meta:__legacy__".
__legacy__ = sys.modules[__name__]
