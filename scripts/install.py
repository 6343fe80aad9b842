"""Install a packaged pipeline into a throw-away virtual environment, as a user would."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import typer
from wasabi import msg


def main(
    packages: Path = typer.Argument(..., help="Folder that `spacy package` has written"),
    environment: Path = typer.Argument(..., help="Where to make the virtual environment"),
) -> None:
    """Make a new virtual environment and install the newest wheel under PACKAGES, with this
    checkout of spacy-rnn, which the pipeline depends on."""
    wheels = sorted(packages.glob("*/dist/*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        msg.fail(
            f"No wheel under {packages}",
            "Build one first: python -m spacy project run package",
            exits=1,
        )
    if environment.exists():
        shutil.rmtree(environment)
    msg.info(f"Making a virtual environment in {environment}")
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    msg.info(f"Installing {wheels[-1].name} and what it needs")
    root = Path(__file__).parent.parent
    command = [str(python), "-m", "pip", "install", str(root), str(wheels[-1])]
    if subprocess.run(command, check=False).returncode:
        shutil.rmtree(environment)
        msg.fail(
            "pip could not install the package",
            "Its message is above. Is the package index reachable?",
            exits=1,
        )
    msg.good(f"Installed {wheels[-1].name}")


if __name__ == "__main__":
    typer.run(main)
