"""Run a command and write down how long it took, if it succeeded.

python scripts/timed.py OUTPUT.json -- python -m spacy train config.cfg
"""

import subprocess
import sys
import time
from pathlib import Path

import srsly
from wasabi import msg


def main() -> None:
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        msg.fail("Usage: python scripts/timed.py OUTPUT.json -- COMMAND ...")
        sys.exit(2)
    output, command = Path(sys.argv[1]), sys.argv[3:]
    if command[0] == "python":
        command[0] = sys.executable
    start = time.perf_counter()
    result = subprocess.run(command, check=False)
    if result.returncode:
        sys.exit(result.returncode)
    seconds = round(time.perf_counter() - start, 1)
    partial = output.with_suffix(".partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(partial, {"command": sys.argv[3:], "seconds": seconds})
    partial.replace(output)
    msg.good(f"Took {seconds:.0f} seconds")


if __name__ == "__main__":
    main()
