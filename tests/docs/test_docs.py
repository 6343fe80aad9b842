"""The documentation is true: its code runs, and what it must name it names.

See "Documentation" in CONTRIBUTING.md for the conventions of the snippets.
"""

import importlib
import inspect
import json
import re
from configparser import ConfigParser
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest
from docs_commands import check_command, command_lines
from docs_configs import check_config
from docs_markdown import PAGES, ROOT, Snippet, anchor, headings, prose, section, snippets, table
from spacy.language import Language
from thinc.api import fix_random_seed

from spacy_rnn.errors import Errors, Warnings
from spacy_rnn.layers.engines.numpy_cells import KERNELS
from spacy_rnn.layers.recurrent import CELLS
from spacy_rnn.pipeline.textcat import RNNTextCategorizer
from spacy_rnn.pipeline.textcat_multilabel import RNNMultiLabelTextCategorizer
from spacy_rnn.pipeline.trainable_textcat import CrossEntropyTextcat

DOCS = [page for page in PAGES if page.parent.name == "docs"]
CODES = [name for name in vars(Errors) if re.fullmatch(r"E\d+", name)]
PAGE_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def entry_points() -> List[Tuple[str, str, str]]:
    """RETURNS (List[Tuple[str, str, str]]): Group, name and object of each entry point."""
    parser = ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    found = []
    for group, lines in parser["options.entry_points"].items():
        for line in lines.strip().splitlines():
            name, target = (part.strip() for part in line.split(" = "))
            found.append((group, name, target))
    return found


ENTRY_POINTS = entry_points()


@pytest.fixture
def keep_cells() -> Iterator[None]:
    """Take out again the cells that a page adds to the tables."""
    before = [dict(KERNELS), dict(CELLS)]
    yield
    for table_of_cells, cells in zip((KERNELS, CELLS), before):
        table_of_cells.clear()
        table_of_cells.update(cells)


@pytest.mark.usefixtures("keep_cells")
@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_snippets_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("assets", "configs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    fix_random_seed(0)
    namespace: Dict[str, Any] = {"__name__": "__main__"}
    for snippet in snippets(page, "python", "ini", "cfg"):
        if snippet.not_run:
            continue
        if snippet.lang == "python":
            run_python(snippet, namespace, capsys)
        else:
            try:
                check_config(snippet.text)
            except Exception as error:
                raise AssertionError(f"The config at {snippet.where} fails") from error


def run_python(snippet: Snippet, namespace: Dict[str, Any], capsys: pytest.CaptureFixture) -> None:
    """Execute a snippet. What stands in a comment behind a print() must be what it prints."""
    if re.search(r"\btorch\b", snippet.text):
        pytest.importorskip("torch")
    # Blank lines in front, so that a traceback names the line of the page.
    code = compile("\n" * (snippet.line - 1) + snippet.text, str(snippet.page), "exec")
    capsys.readouterr()
    exec(code, namespace)
    printed = capsys.readouterr().out.splitlines()
    expected = re.findall(r"^ *print\(.*\)  # (.*\S)\s*$", snippet.text, flags=re.M)
    missing = [line for line in expected if line not in printed]
    assert not missing, f"{snippet.where} prints {printed}, not {missing}"


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_commands_name_what_exists(page: Path) -> None:
    for snippet in snippets(page, "bash", "sh"):
        if snippet.not_run:
            continue
        for words in command_lines(snippet.text):
            try:
                check_command(words)
            except AssertionError as error:
                raise AssertionError(f"{snippet.where}: {' '.join(words)}: {error}") from None


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_every_fence_is_of_a_kind_that_is_checked(page: Path) -> None:
    kinds = ("python", "ini", "cfg", "bash", "sh", "text")
    assert snippets(page, *kinds) == snippets(page, *kinds, "", "json", "yaml", "toml", "console")


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if fragment:
            anchors = [anchor(text) for _, text in headings(file)]
            assert fragment in anchors, f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_paths_in_the_text_exist(page: Path) -> None:
    named = r"`((?:spacy_rnn|tests|scripts|benchmarks|configs|docs|assets|\.ci)/[\w./-]*)`"
    missing = [path for path in re.findall(named, prose(page)) if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize(("group", "name", "target"), ENTRY_POINTS, ids=lambda value: value)
def test_each_registered_name_is_documented(group: str, name: str, target: str) -> None:
    found = [page.name for page in DOCS if f"`{name}`" in page.read_text(encoding="utf8")]
    assert found, f"{name} ({group}) is not in docs/"
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf8")
    assert f"`{name}`" in index, f"{name} is not in the index, docs/README.md"


@pytest.mark.parametrize(("group", "name", "target"), ENTRY_POINTS, ids=lambda value: value)
def test_each_argument_is_in_the_table_with_its_default(group: str, name: str, target: str) -> None:
    module, _, attribute = target.partition(":")
    function = getattr(importlib.import_module(module), attribute)
    if not inspect.isfunction(function):
        pytest.skip("not a function")
    texts = [text for text in (section(page, name) for page in DOCS) if text is not None]
    assert len(texts) == 1, f"{len(texts)} headings in docs/ name {name}"
    rows = table(texts[0], "Argument")
    defaults = {
        key: parameter.default for key, parameter in inspect.signature(function).parameters.items()
    }
    if group == "spacy_factories":
        defaults = dict(Language.get_factory_meta(name).default_config)
    assert sorted(rows) == sorted(defaults)
    for key, default in defaults.items():
        assert shown(default) in rows[key][1], f"{name}: the default of '{key}' is {shown(default)}"


def shown(default: Any) -> str:
    """How a default is written in a table: as in a config, or by the name of the function."""
    if default is inspect.Parameter.empty:
        return "required"
    if callable(default):
        return str(default.__name__)
    if isinstance(default, dict):
        return next(str(value) for key, value in default.items() if key.startswith("@"))
    return f"`{json.dumps(default)}`"


def test_the_tests_that_show_the_guarantees_exist() -> None:
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "design.md").read_text(encoding="utf8"))
    assert len(named) >= 8
    sources = [path.read_text(encoding="utf8") for path in (ROOT / "tests").rglob("test_*.py")]
    missing = [name for name in named if not any(f"def {name}(" in text for text in sources)]
    assert not missing


def test_each_error_and_warning_is_documented() -> None:
    page = ROOT / "docs" / "errors.md"
    documented = [text for _, text in headings(page) if re.match(r"[EW]\d+", text)]
    warnings = [name for name in vars(Warnings) if re.fullmatch(r"W\d+", name)]
    assert [text.split(":")[0] for text in documented] == CODES + warnings


@pytest.mark.parametrize("code", CODES)
def test_errors_that_nothing_raises_are_called_reserved(code: str) -> None:
    sources = [path for path in (ROOT / "spacy_rnn").rglob("*.py") if path.name != "errors.py"]
    call = "number_error(" if code == "E011" else f"Errors.{code}"
    is_raised = any(call in path.read_text(encoding="utf8") for path in sources)
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf8")
    text = page.split(f"## {code}: ")[1].split("\n## ")[0]
    assert ("Reserved" in text) == (not is_raised)


@pytest.mark.parametrize(
    "component", [CrossEntropyTextcat, RNNTextCategorizer, RNNMultiLabelTextCategorizer]
)
def test_each_method_of_the_components_is_documented(component: type) -> None:
    page = (ROOT / "docs" / "components.md").read_text(encoding="utf8")
    methods = [key for key, value in vars(component).items() if inspect.isfunction(value)]
    missing = [key for key in methods if not key.startswith("_") and f".{key}" not in page]
    assert not missing


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf8").splitlines()) < 200


def test_pictures_can_be_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    namespace: Dict[str, Any] = {"__name__": "make_pictures"}
    source = (ROOT / "docs" / "make_pictures.py").read_text(encoding="utf8")
    exec(compile(source, "make_pictures.py", "exec"), namespace)
    namespace["draw_packing"](tmp_path / "packing.png")
    assert (tmp_path / "packing.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "line",
    [
        "python -m spacy trian configs/textcat_lstm.cfg",
        "python -m spacy train configs/no_such.cfg",
        "python -m spacy train configs/textcat_lstm.cfg --training.dorpout 0.1",
        "python -m spacy info --no-such-option",
        "python scripts/no_such.py",
        "python scripts/data.py convert a b --no-such-option",
        "python -m benchmarks.no_such",
        "pip install 'spacy-rnn[no_such]'",
    ],
)
def test_wrong_commands_are_found(line: str) -> None:
    with pytest.raises(AssertionError, match="no "):
        check_command(command_lines(line)[0])


@pytest.mark.parametrize(
    "text",
    [
        '[encode]\n@architectures = "spacy-rnn.RNNEncoder.v1"\ncell = "lstm"\nwidth = 9\ndepth = 1',
        '[layer]\n@layers = "spacy-rnn.LSTM.v1"\nno_such_argument = 1',
        '[components.textcat]\nfactory = "rnn_textcat"\nno_such_setting = 1',
        "[training]\ndropout = [0.1]",
    ],
)
def test_wrong_configs_are_found(text: str) -> None:
    with pytest.raises(ValueError):  # ours, confection's or pydantic's
        check_config(text)
