"""What `benchmarks.speed` prints."""

from typing import Any, Dict, List

from wasabi import msg

from .batches import MEAN_LENGTHS, SHAPE
from .long_doc import N_OTHERS, N_SHORT
from .peers import ABOUT, BASELINE, OURS
from .timing import MODES, Setting


def print_machine(machine: Dict[str, Any]) -> None:
    """Show processor, versions and kernels, and what may make them slower than need be."""
    msg.divider("Machine")
    shown = {key: value for key, value in machine.items() if key != "openblas_settings"}
    shown["numpy_blas"] = "; ".join(machine["numpy_blas"])
    msg.table({key.replace("_", " "): str(value) for key, value in shown.items()})
    for key, value in machine["openblas_settings"].items():
        msg.text(f"{key}={value} is set.")
    if "OPENBLAS_CORETYPE" in machine["openblas_settings"]:
        msg.warn(
            "OPENBLAS_CORETYPE decides which kernels NumPy's products run on: it can hold them to "
            "slower ones than this processor could run. torch and BLIS do not obey it, so with it "
            "the ratios are too low; without it like is compared with like."
        )
    if machine["blis_kernels"] == "generic":
        msg.warn(
            "BLIS runs its generic kernels here, slower than those made for a processor. "
            "MaxoutWindow-BLAS shows the same model without them."
        )


def print_models(checks: Dict[str, float]) -> None:
    """Show what is compared, and how it is known to be the same."""
    msg.divider("Models")
    msg.table(ABOUT)
    msg.text("Vectors of 256 for each token, float32, lists of arrays in and out.")
    msg.text(
        "Lengths: gamma of shape {:g}; mean {}; the same batches for all models.".format(
            SHAPE, ", ".join(f"{mean} ({docs})" for docs, mean in MEAN_LENGTHS.items())
        )
    )
    for what, difference in checks.items():
        msg.text(f"Largest difference from {OURS}: {difference:.1e} ({what})")


def print_settings(settings: List[Dict[str, Any]], summary: Dict[str, Any]) -> None:
    """Show the tables: rates and ratios, then the limit by the products."""
    for threads in summary:
        chosen = [setting for setting in settings if str(setting["threads"]) == threads]
        for mode in MODES:
            msg.divider(f"{mode}, {threads} thread{'s' if threads != '1' else ''}")
            msg.text(f"Words/s (and its ratio to {BASELINE}), medians over the rounds")
            _print_rates(chosen, summary[threads][mode], mode)
    msg.divider("Limit by the products")
    msg.text("At the rate of one (words, 128) @ (128, 512) by NumPy; training is 3 times the work.")
    if len(summary) > 1 or "1" not in summary:
        msg.text("The engines of this package keep NumPy's products to one thread in any case.")
    _print_limits(settings)


def print_long_doc(n_long: int, results: Dict[str, Any]) -> None:
    """Show the batch of one long text and many short ones."""
    msg.divider("One long doc among short ones")
    msg.text(f"1 doc of {n_long:,} tokens, {N_OTHERS} docs of {N_SHORT}, 1 thread")
    rows = [
        (name, mode, f"{entry['seconds']:.2f}", f"{entry['mb']:,.0f}")
        for name, modes in results.items()
        for mode, entry in modes.items()
    ]
    header = ("model", "mode", "seconds", "peak growth, MB")
    msg.table(rows, header=header, aligns=("l", "l", "r", "r"), divider=True)


def print_bars(bars: List[Dict[str, Any]]) -> None:
    """Show which of the bars are met."""
    msg.divider(f"Bars ({OURS}, 1 thread)")
    for bar in bars:
        text = f"{bar['what']} {bar['bar']:g}, found {bar['value']:.2f}"
        if bar["met"]:
            msg.good(f"met: {text}")
        else:
            msg.fail(f"not met: {text}")


def _print_rates(settings: List[Dict[str, Any]], means: Dict[str, Any], mode: str) -> None:
    rows = []
    for name in ABOUT:
        cells = [_cell(setting, mode, name) for setting in settings]
        mean = means.get(name)
        found = ("-", "-") if mean is None else (mean["geomean"], mean["minimum"])
        rows.append((name, *cells, *(x if x == "-" else f"{x:.2f}" for x in found)))
    header = ("model", *map(_title, settings), "geomean", "min")
    msg.table(rows, header=header, aligns=("l", *("r" * (len(header) - 1))), divider=True)
    if any(setting["left_out"][mode] for setting in settings):
        msg.text("-: left out, for it takes minutes (--with-packed); not in the mean either")


def _print_limits(settings: List[Dict[str, Any]]) -> None:
    names = list(settings[0]["limit"]["inference"])
    rows = []
    for setting in settings:
        shares = [[setting["share_of_limit"][mode].get(name) for mode in MODES] for name in names]
        rows.append(
            (
                _title(setting),
                setting["threads"],
                f"{setting['mean_words_per_batch']:,.0f}",
                f"{setting['padding_factor']:.2f}",
                f"{setting['n_rounds']} / {setting['n_batches']}",
                f"{setting['gemm_gflops']:.0f}",
                " / ".join(f"{setting['limit'][mode][OURS]:,.0f}" for mode in MODES),
                *(" / ".join("-" if s is None else f"{s:.0%}" for s in pair) for pair in shares),
            )
        )
    fixed = ("docs", "threads", "words", "padding", "rounds/batches", "GFLOP/s", "LSTM limit")
    header = (*fixed, *names)
    msg.table(rows, header=header, aligns=("l", *("r" * (len(header) - 1))), divider=True)
    msg.text("words: in a batch, mean; padding: cells of the padded batch for each word, mean")
    msg.text("LSTM limit, words/s, and the models' shares of their limits: inference / training")


def _cell(setting: Dict[str, Any], mode: str, name: str) -> str:
    rate = setting["words_per_second"][mode].get(name)
    ratio = setting["ratio"][mode].get(name)
    if rate is None:
        return "-"
    return f"{rate:,.0f}" if ratio is None else f"{rate:,.0f} ({ratio:.2f})"


def _title(setting: Dict[str, Any]) -> str:
    return Setting(setting["docs"], setting["batch_size"], setting["threads"]).title
