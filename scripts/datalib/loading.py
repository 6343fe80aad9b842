"""A user's own files as three parts: cut from one file, or given as files of their own."""

from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from datalib.errors import DataError
from datalib.readers import FORMATS_HELP, READERS, ReadOptions, read_records, sha256_of
from datalib.records import find_labels
from datalib.splitting import PARTS, Parts, parse_shares, split_records


def find_files(
    path: Path, dev: Optional[Path] = None, test: Optional[Path] = None
) -> Dict[str, Path]:
    """The files to read, by part. A folder must hold train.*, and may hold dev.* and test.*."""
    if not path.is_dir():
        given = {"train": path, "dev": dev, "test": test}
        return {name: file_ for name, file_ in given.items() if file_ is not None}
    if dev is not None or test is not None:
        raise DataError(
            f"Found both the folder {path} and --dev or --test.",
            "Give either a folder with train, dev and test files, or one file and the options.",
        )
    files = {}
    for name in PARTS:
        found = sorted(f for f in path.glob(f"{name}.*") if f.suffix.lower() in READERS)
        if len(found) > 1:
            raise DataError(
                f"Found more than one file for {name} in {path}: "
                f"{', '.join(f.name for f in found)}.",
                "Expected one for each part. Remove the others, or give single files with "
                "--dev and --test.",
            )
        if found:
            files[name] = found[0]
    if "train" not in files:
        raise DataError(
            f"Found no train file in the folder {path}.",
            f"Expected train.*, and perhaps dev.* and test.*, each {FORMATS_HELP}.",
        )
    return files


def load_parts(
    files: Dict[str, Path], options: ReadOptions, split: str, seed: int
) -> Tuple[Parts, Dict[str, Any]]:
    """Read the files, and cut the parts that have none from the training file.

    files (Dict[str, Path]): The files by part; "train" is always there.
    options (ReadOptions): How to read them.
    split (str): Shares of train, dev and test, such as "70,10,20". Only those of train and of
        the parts without a file are used.
    seed (int): Seed of the split.
    RETURNS (Tuple[Parts, Dict]): The parts, and facts for meta.json.
    """
    shares = parse_shares(split)
    parts = {name: read_records(file_, options) for name, file_ in files.items()}
    find_labels([record for part in parts.values() for record in part], options.multilabel)
    cut = {name: shares[name] for name in PARTS if name == "train" or name not in files}
    if len(cut) > 1:
        parts.update(split_records(parts["train"], cut, seed))
    meta: Dict[str, Any] = {
        "input": {
            name: {"file": files[name].name, "sha256": sha256_of(files[name])}
            for name in PARTS
            if name in files
        },
    }
    if len(cut) > 1:
        meta["split"] = {name: float(share) for name, share in cut.items()}
        meta["seed"] = seed
    return parts, meta
