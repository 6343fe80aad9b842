"""Check the command lines of the documentation without running what they would run."""

import re
import shlex
from configparser import ConfigParser
from functools import lru_cache
from typing import Any, Dict, List, Tuple

from docs_markdown import ROOT
from thinc.api import Config

from tests.programs import run_module, run_script

# What commands write, and what therefore need not be there; see .gitignore.
GENERATED = ("corpus/", "training/", "packages/", "metrics/", "assets/downloads/")
FOLDERS = ("assets/", "benchmarks/", "configs/", "docs/", "scripts/", "spacy_rnn/", "tests/")


def command_lines(text: str) -> List[List[str]]:
    """RETURNS (List[List[str]]): The words of each command of a bash snippet."""
    text = re.sub(r"\\\n", " ", text)
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [_without_environment(words) for words in lines if words]


def check_command(words: List[str]) -> None:
    """Raise an AssertionError if a command names what does not exist."""
    if "--" in words:  # a command that runs another
        check_command(words[words.index("--") + 1 :])
        words = words[: words.index("--")]
    for word in words[1:]:
        _check_path(word)
    if words[:3] == ["python", "-m", "spacy"]:
        check_spacy_command(words[3:])
    elif words[:2] == ["python", "-m"]:
        check_module(words[2], words[3:])
    elif words[0] == "python":
        check_script(words[1], words[2:])
    elif words[:2] == ["pip", "install"]:
        check_extras(words[2:])
    elif "/" in words[0]:
        assert (ROOT / words[0]).is_file(), f"There is no {words[0]}"


def check_spacy_command(words: List[str]) -> None:
    """Follow the words through spaCy's commands, those of entry points among them."""
    command = _spacy_commands()
    words = list(words)
    while hasattr(command, "commands"):
        assert words, f"A command must follow '{command.name}'"
        assert words[0] in command.commands, f"'{command.name}' has no command '{words[0]}'"
        command = command.commands[words.pop(0)]
    known = {option for param in command.params for option in param.opts + param.secondary_opts}
    takes_overrides = command.context_settings.get("ignore_unknown_options", False)
    for word in words:
        option = word.split("=")[0]
        if not re.match(r"--?[a-zA-Z]", option) or option in known or option == "--help":
            continue
        assert takes_overrides, f"'{command.name}' has no option '{option}'"
        assert "." in option, f"'{command.name}' has no option '{option}'"
        _check_override(option.lstrip("-"), words)


def check_module(name: str, words: List[str]) -> None:
    """A module of this repository must exist and have the options; others are taken as given."""
    if f"{name.split('.')[0]}/" in FOLDERS:
        path = ROOT / name.replace(".", "/")
        files = [path.with_suffix(".py"), path / "__main__.py"]
        assert any(file.is_file() for file in files), f"There is no module {name}"
        check_options(("-m", name), words)


def check_script(path: str, words: List[str]) -> None:
    """A script must exist. If it parses its arguments by a library, it must have the options."""
    assert (ROOT / path).is_file(), f"There is no script {path}"
    source = (ROOT / path).read_text(encoding="utf8")
    if "typer" in source or "argparse" in source:
        check_options((path,), words)


def check_options(program: Tuple[str, ...], words: List[str]) -> None:
    """Each option must be in the program's help, for the subcommand if there is one."""
    options = [word.split("=")[0] for word in words if word.startswith("--")]
    text = _help(program)
    commands = text.partition("Commands")[2]
    if commands and words:
        assert re.search(rf"^\W*{words[0]}\b", commands, flags=re.M), (
            f"{program[-1]} has no command {words[0]}"
        )
        text += _help((*program, words[0]))
    for option in options:
        assert re.search(rf"{option}\b", text), f"{program[-1]} has no option {option}"


def check_extras(words: List[str]) -> None:
    """The extras of this package that are to be installed must exist."""
    extras = _setup_cfg()["options.extras_require"]
    for word in words:
        for extra in re.findall(r"[\w-]+", "".join(re.findall(r"\[(.*)\]", word))):
            assert extra in extras, f"There is no extra '{extra}'"


def _check_path(word: str) -> None:
    word = word.split("=")[-1].split("::")[0]
    if word.startswith(FOLDERS) and not word.startswith(GENERATED):
        assert (ROOT / word).exists(), f"There is no {word}"
    if re.fullmatch(r"[\w.-]+\.(txt|toml|cfg|yml|yaml|md)", word):
        assert (ROOT / word).exists(), f"There is no {word}"


def _check_override(key: str, words: List[str]) -> None:
    for word in words:
        path = ROOT / word
        if path.suffix != ".cfg" or word.startswith(GENERATED):
            continue
        value: Any = Config().from_disk(path, interpolate=False)
        for part in key.split("."):
            assert part in value, f"{path.name} has no setting {key}"
            value = value[part]


def _without_environment(words: List[str]) -> List[str]:
    while re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return words


@lru_cache(maxsize=None)
def _spacy_commands() -> Any:
    import typer
    from spacy.cli import app
    from spacy.util import registry

    registry.cli.get_all()  # those of entry points are registered as they are loaded
    return typer.main.get_command(app)


@lru_cache(maxsize=None)
def _help(program: Tuple[str, ...]) -> str:
    if program[0] == "-m":
        ended = run_module(*program[1:], "--help")
    else:
        ended = run_script(program[0], *program[1:], "--help")
    assert ended.returncode == 0, f"{' '.join(program)} --help: {ended.stderr}"
    return ended.stdout


@lru_cache(maxsize=None)
def _setup_cfg() -> Dict[str, Any]:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    return {name: dict(parser[name]) for name in parser.sections()}
