"""The figures of the encoders as tables."""

from typing import Any, Dict, List

from .batches import MEAN_LENGTHS, SHAPE
from .gemm import LIBRARIES, LIMIT_LIBRARIES
from .tables import MISSING, Table
from .timing import MODES, Setting


def encoder_tables(found: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): Means over all settings; then each setting, and the limits."""
    return [
        _summary_table(found),
        *(_rates_table(found, mode) for mode in MODES),
        _share_table(found),
        _product_table(found),
        _check_table(found),
    ]


def _summary_table(found: Dict[str, Any]) -> Table:
    settings = found["settings"]
    rows = []
    for name in found["models"]:
        cells = []
        for mode in MODES:
            entry = found["summary"][mode].get(name, {})
            few = "*" if entry and entry["n_settings"] < len(settings) else ""
            cells += [
                _show(entry.get("words_per_second"), "{:,.0f}") + few,
                _show(entry.get("geomean"), "{:.2f}"),
                _show(entry.get("minimum"), "{:.2f}"),
                _show(entry.get("share_of_limit"), "{:.0%}"),
            ]
        rows.append((name, *cells))
    columns = ("words/s", "ratio", "min", "limit")
    header = ("model", *(f"{mode}, {column}" for mode in MODES for column in columns))
    titles = ", ".join(_title(setting) for setting in settings)
    libraries = ", ".join(LIBRARIES[library] for library in LIMIT_LIBRARIES)
    notes = [
        f"Ratios are to {found['baseline']}; geometric means, and the lowest, over {titles}.",
        f"limit: share of the words/s that the products alone would allow by the fastest of "
        f"{libraries}.",
        "Lengths: gamma of shape {:g}; mean {}.".format(
            SHAPE, ", ".join(f"{mean} ({docs})" for docs, mean in MEAN_LENGTHS.items())
        ),
    ]
    if any("*" in cell for row in rows for cell in row):
        notes.append("*: without settings in which it takes minutes (--with-packed).")
    notes += [f"{name}: {about}" for name, about in found["models"].items()]
    return Table("Encoders", header, rows, notes)


def _rates_table(found: Dict[str, Any], mode: str) -> Table:
    settings = found["settings"]
    rows = [
        (name, *(_rate(setting, mode, name) for setting in settings)) for name in found["models"]
    ]
    threads = settings[0]["threads"]
    title = f"{mode}, {threads} thread{'s' if threads != 1 else ''}"
    note = f"Words/s (and their ratio to {found['baseline']}), medians over the rounds."
    return Table(title, ("model", *map(_title, settings)), rows, [note], is_detail=True)


def _share_table(found: Dict[str, Any]) -> Table:
    """What the limits are by each library, and how near our models come to them."""
    libraries = [library for library in LIBRARIES if _has_library(found, library)]
    rows = []
    for mode in MODES:
        for name, entry in found["summary"][mode].items():
            if "limit" in entry:
                shares = [_show(entry["share_of"].get(key), "{:.0%}") for key in libraries]
                rows.append((f"{name}, {mode}", f"{entry['limit']:,.0f}", *shares))
    header = ("model", "limit, words/s", *(f"of {LIBRARIES[library]}" for library in libraries))
    note = "Geometric means over all settings; the limit is the one that the bars are about."
    return Table("Shares of the limits by each library's products", header, rows, [note])


def _product_table(found: Dict[str, Any]) -> Table:
    """How fast the products are in each setting."""
    rows = []
    first = found["settings"][0]["gemm_gflops"]
    for library, by_shape in first.items():
        for shape, by_kind in by_shape.items():
            for kind in by_kind:
                rates = [
                    setting["gemm_gflops"].get(library, {}).get(shape, {}).get(kind)
                    for setting in found["settings"]
                ]
                label = f"{LIBRARIES[library]}, {shape}, {kind}"
                rows.append((label, *(_show(rate, "{:.0f}") for rate in rates)))
    header = ("product", *map(_title, found["settings"]))
    notes = ["GFLOP/s: forward X W^T, inputs dY W, weights dY^T X; shape: of W^T."]
    words = ", ".join(f"{setting['mean_words_per_batch']:,.0f}" for setting in found["settings"])
    padding = ", ".join(f"{setting['padding_factor']:.2f}" for setting in found["settings"])
    notes.append(f"Words in a batch: {words}. Cells of the padded batch for each: {padding}.")
    return Table("Products", header, rows, notes, is_detail=True)


def _check_table(found: Dict[str, Any]) -> Table:
    rows = [(what, f"{difference:.1e}") for what, difference in found["checks"].items()]
    title = "Largest differences from what the NumPy engine computes"
    return Table(title, ("", "difference"), rows, is_detail=True)


def _has_library(found: Dict[str, Any], library: str) -> bool:
    return any(
        library in entry.get("share_of", {})
        for by_name in found["summary"].values()
        for entry in by_name.values()
    )


def _rate(setting: Dict[str, Any], mode: str, name: str) -> str:
    rate = setting["words_per_second"][mode].get(name)
    ratio = setting["ratio"][mode].get(name)
    if rate is None:
        return MISSING
    return f"{rate:,.0f}" if ratio is None else f"{rate:,.0f} ({ratio:.2f})"


def _title(setting: Dict[str, Any]) -> str:
    return Setting(setting["docs"], setting["batch_size"], setting["threads"]).title


def _show(value: Any, form: str) -> str:
    return MISSING if value is None else form.format(value)
