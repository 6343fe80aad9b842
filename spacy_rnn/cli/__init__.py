"""The commands of `python -m spacy rnn`, one in each file.

spaCy imports this module, by its entry point, when its own command line starts.
"""

from spacy.cli._util import app

from .calibrate import calibrate_cli
from .common import rnn_cli
from .ensemble import ensemble_cli
from .explain import explain_cli
from .generate import generate_cli
from .gradients import gradients_cli
from .info import info_cli
from .surprisal import surprisal_cli

__all__ = [
    "calibrate_cli",
    "ensemble_cli",
    "explain_cli",
    "generate_cli",
    "gradients_cli",
    "info_cli",
    "rnn_cli",
    "surprisal_cli",
]

app.add_typer(rnn_cli)
