"""The tables of the results: Markdown between markers in README.md and docs/benchmarks.md, and the figure.

A table stands between ``<!-- benchmark: NAME -->`` and ``<!-- end -->``; what stands there is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import accelerator_report, common, counts_report, forecast_report
from benchmarks.instructions import SCHEDULED
from benchmarks.steps import AGAIN, EMPTY, EMPTY_COSINE
from benchmarks.tables import SYSTEMS, Rows, made_with, pivot, ratio, rows_of, table
from benchmarks.training import CONSTANT, LONG, SHORT, first_at

ROOT = Path(__file__).parents[1]
FILLED = ("benchmarks", "fine_tuning", "forecast", "scale")
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in FILLED))
OPTIMIZERS = {"sgd": "SGD", "adamw": "AdamW"}
FIGURE = ROOT / "docs" / "images" / "training.svg"


def steps() -> str:
    rows = [row for row in rows_of("steps") if "median" in row]
    for row in rows:
        row["column"] = f"{SYSTEMS[row['variant']]}, {row['variables']}"
    order = {name: index for index, name in enumerate(SYSTEMS.values())}
    rows.sort(key=lambda row: (order[SYSTEMS[row["variant"]]], row["variables"]))
    return pivot(rows, "case", "column", ratio, "variables of the model")


def scheduled_step() -> str:
    rows = rows_of("scheduled_step")
    for row in rows:
        row["line"] = f"{row['kind']}, {row['variables']} variables, {row['case']}"
        row["column"] = SYSTEMS[row["backend"]]
    return pivot(rows, "line", "column", ratio, "")


def instructions() -> str:
    rows = rows_of("instructions")
    for row in rows:
        row["column"] = SYSTEMS[row["variant"]]
    cell = lambda row: f"{row['instructions'] / 1e6:.2f} million" if row["case"] == CONSTANT else ratio(row, 3)  # noqa: E731
    return pivot(rows, "case", "column", cell, "instructions of a step")


def reads() -> str:
    rows = rows_of("reads")
    for row in rows:
        row["column"] = SYSTEMS[row["backend"]] + ", µs"
    cell = lambda row: f"{row['microseconds']:,.0f}"  # noqa: E731
    return pivot(rows, "case", "column", cell, "")


def preview() -> str:
    rows = sorted(rows_of("preview"), key=lambda row: row["milliseconds"])
    ours = [row for row in rows if row["ours"] and not row["foreign"]]
    shown = [ours[0], ours[len(ours) // 2], ours[-1]]
    names = ["the fastest of ours", f"the middle one of ours ({len(ours)})", "the slowest of ours"]
    body = [[f"{name}: {row['case']}", f"{row['milliseconds']:,.0f}"] for name, row in zip(names, shown, strict=True)]
    body += [[row["case"], f"{row['milliseconds']:,.0f}"] for row in rows if not row["ours"] or row["foreign"]]
    return table(["1,000,000 rates", "ms"], body)


def logger() -> str:
    body = [
        [
            f"{row['case']}, {row['batches']:,} batches",
            f"{row['bytes_per_batch']:.1f}",
            f"{row['to_frame_seconds']:.2f}",
            f"{row['parquet_seconds']:.2f}",
        ]
        for row in rows_of("logger")
    ]
    return table(["", "bytes a batch", "`to_frame`, s", "Parquet, s"], body)


def importing() -> str:
    body = [
        [f"{row['keras_milliseconds']:,.0f}", f"{row['keras_lr_milliseconds']:.0f}"] for row in rows_of("importing")
    ]
    return table(["`import keras`, ms", "`import keras_lr` after it, ms"], body)


def precision() -> str:
    rows = rows_of("precision")
    body = []
    for backend in dict.fromkeys(row["backend"] for row in rows):
        own = [row for row in rows if row["backend"] == backend and row["system"] == "keras_lr" and not row["foreign"]]
        worst = [f"{max(row[key] for row in own):.1e}" for key in ("of_peak", "of_value")]
        body.append([f"keras_lr on {SYSTEMS[backend]}, the worst of {len(own)}", *worst])
    for row in rows:
        if row["system"] != "keras_lr":
            where = f" on {SYSTEMS[row['backend']]}" if row["system"] == "Keras" else ""
            upto = f" (to step {row['steps']:,})" if "steps" in row else ""
            body.append(
                [f"{row['system']}'s {row['case']}{where}{upto}", f"{row['of_peak']:.1e}", f"{row['of_value']:.1e}"]
            )
    return table(["steps to 2**31", "error, of the peak", "of the value"], body)


def growth() -> str:
    rows = rows_of("growth")
    body = [
        [
            row["what"],
            SYSTEMS[row["backend"]],
            " · ".join(f"{size:,}: {value:.3g}" for size, value in zip(row["sizes"], row["times"], strict=True))
            + f" {row['unit']}",
            f"{row['exponent']:.2f}",
        ]
        for row in rows
    ]
    return table(["", "", "size: time", "exponent"], body)


def range_test() -> str:
    body = [[SYSTEMS[row["backend"]], ratio(row), f"{row['start_seconds']:.1f}"] for row in rows_of("range_test")]
    head = ["", "a batch of the range test, of one of `fit`", "start and end, s"]
    return table(head, body)


def cells() -> dict[tuple[str, str], Rows]:
    """The rows of `training` by task and optimizer."""
    found: dict[tuple[str, str], Rows] = {}
    for row in rows_of("training"):
        found.setdefault((row["task"], row["optimizer"]), []).append(row)
    return found


def training() -> str:
    columns = {f"{task}, {OPTIMIZERS[optimizer]}": rows for (task, optimizer), rows in cells().items()}
    some = next(iter(columns.values()))
    short, long = some[0]["epochs"], some[-1]["epochs"]
    body = []
    for index, row in enumerate(some):
        name = f"{row['schedule']}, {row['epochs']} epochs"
        body.append([name, *(accuracy(rows[index], best_of(rows)) for rows in columns.values())])
    goal = [reached(rows) for rows in columns.values()]
    body.append([f"epochs to the best accuracy of the constant rate in {long}", *goal])
    head = [f"test accuracy, % ({short} epochs)", *columns]
    return table(head, body)


def further() -> str:
    """The wider search: a line for each task and optimizer."""
    names = list(dict.fromkeys(row["schedule"] for row in rows_of("training_further")))
    found = {(row["task"], row["optimizer"], row["schedule"]): row for row in rows_of("training_further")}
    lines = []
    for (task, optimizer), rows in cells().items():
        mine = [found[task, optimizer, name] for name in names if (task, optimizer, name) in found]
        if not mine:
            continue
        before = max(rows[:-1], key=lambda row: row["accuracy"])
        texts = [f"{accuracy(row, '')} (peak {row['peak']:.2g}, weight decay {row['weight_decay']:g})" for row in mine]
        goal = max(rows[-1]["curve"])
        met = [row["schedule"] for row in mine if first_at(row["curve"], goal) is not None]
        columns = [f"{accuracy(rows[-1], '')}, best {100 * goal:.1f}", f"{before['schedule']} {accuracy(before, '')}"]
        lines.append([f"{task}, {OPTIMIZERS[optimizer]}", *columns, *texts, " and ".join(met) or "none"])
    head = ["test accuracy, %", f"constant, {LONG} epochs", f"best of nine, {SHORT} epochs"]
    return table([*head, *(f"{name}, wider search" for name in names), "reaches the best"], lines)


def best_of(rows: Rows) -> str:
    return str(max(rows[:-1], key=lambda row: row["accuracy"])["schedule"])


def accuracy(row: dict[str, Any], best: str) -> str:
    text = f"{100 * row['accuracy']:.1f} ± {100 * row['half_width']:.1f}"
    return f"**{text}**" if row["schedule"] == best and row["schedule"] and row["epochs"] == SHORT else text


def reached(rows: Rows) -> str:
    """Which schedule reaches the best mean accuracy of the long constant rate first, when, and when it did itself."""
    long = rows[-1]
    target = max(long["curve"])
    own = first_at(long["curve"], target)
    hits = [(first_at(row["curve"], target), row["schedule"]) for row in rows[:-1] if row["schedule"] != CONSTANT]
    epoch, name = min(((hit, name) for hit, name in hits if hit is not None), default=(None, ""))
    end = f"constant {own} ({100 * target:.1f} %)"
    return f"{end}; {name} {epoch}" if epoch is not None else f"{end}; no schedule within {rows[0]['epochs']}"


def figure() -> None:
    """Mean accuracy over the epochs, a panel for each task and optimizer."""
    found = cells()
    if not found:
        return
    pyplot = common.pyplot()
    count = len(found)
    lines = (count + 1) // 2
    grid, axes = pyplot.subplots(lines, 2, figsize=(10, 3.2 * lines), layout="constrained", squeeze=False)
    for ax, ((task, optimizer), rows) in zip(axes.flat, found.items(), strict=False):
        for row in rows:
            long = row["epochs"] == rows[-1]["epochs"]
            style: dict[str, Any] = (
                {"color": "black", "linestyle": "--", "linewidth": 1.0} if long else {"linewidth": 1.3}
            )
            label = f"{row['schedule']}, {row['epochs']} epochs" if long else row["schedule"]
            ax.plot(range(1, len(row["curve"]) + 1), [100 * value for value in row["curve"]], label=label, **style)
        ends = sorted(100 * row["accuracy"] for row in rows)
        ax.set_ylim(ends[0] - 6, ends[-1] + 1.5)
        ax.set_title(f"{task}, {OPTIMIZERS[optimizer]}", fontsize="medium")
        ax.set_xlabel("epoch")
        ax.set_ylabel("test accuracy, %")
        ax.grid(visible=True, alpha=0.3)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    grid.legend(handles, labels, loc="outside lower center", ncols=5, fontsize="small")
    grid.savefig(FIGURE, metadata={"Date": None})
    pyplot.close(grid)


def short() -> str:
    """The sentences of the README."""
    rows = {(row["variant"], row["variables"], row["case"]): row for row in rows_of("steps") if "median" in row}

    def medians(case: str) -> str:
        found = [rows[variant, 10, case]["median"] for variant in ("tensorflow", "jax", "torch")]
        return f"{found[0]:.2f}, {found[1]:.2f} and {found[2]:.2f}"

    naive, again = medians("a naive logger, Keras's cosine"), medians(AGAIN)
    return (
        f"A training step with a cosine and the logger takes {medians('logger, cosine')} times as long as one with a\n"
        f"constant rate, on TensorFlow, JAX and torch. The constant rate, measured again, gives {again}.\n"
        f"A logger that reads the optimizer's rate after each batch gives {naive}.\n"
        f"{trained()}\n"
        "[All figures, with versions, machine and the goals that were missed](docs/benchmarks.md)."
    )


TRAINED = "warmup-stable-decay"


def trained() -> str:
    """What is true of training with a schedule, in a sentence."""
    tasks = [{(row["schedule"], row["epochs"]): row["accuracy"] for row in rows} for rows in cells().values()]
    gains = [100 * (task[TRAINED, SHORT] - task[CONSTANT, SHORT]) for task in tasks]
    better = sum(gain > 0 for gain in gains)
    equal = sum(task[TRAINED, SHORT] >= task[CONSTANT, LONG] for task in tasks)
    met, searched = reached_by_wider_search()
    return (
        f"In {SHORT} epochs of {len(tasks)} small tasks, {TRAINED} is more accurate than a constant rate in {better} "
        f"(by up to {max(gains):.1f} points),\n"
        f"and at least as accurate as a constant rate in {LONG} epochs in {equal}. When its peak and weight decay are "
        f"searched more widely,\nit reaches the best accuracy of those {LONG} epochs in {met} of {searched}."
    )


def reached_by_wider_search() -> tuple[int, int]:
    """In how many tasks the best accuracy of the long constant rate is reached, and how many were searched."""
    found = {
        (row["task"], row["optimizer"]): row["curve"]
        for row in rows_of("training_further")
        if row["schedule"] == TRAINED
    }
    goals = {key: max(rows[-1]["curve"]) for key, rows in cells().items()}
    return sum(first_at(curve, goals[key]) is not None for key, curve in found.items()), len(found)


SCHEDULES = dict.fromkeys(("cosine", "restarts", "join of five"), CONSTANT)
LOGGERS = {"logger, number": EMPTY, "logger, cosine": EMPTY_COSINE, "logger with loss, cosine": EMPTY_COSINE}
"""Cases whose goal is a ratio, and the case that they are compared with: the same rate without them."""

LOGGER = "the logger, over an empty callback"


def goals() -> str:
    """What was aimed at, what came out, and whether the goal was met."""
    ratios = {(row["variant"], row["variables"], row["case"]): row for row in rows_of("steps") if "median" in row}
    systems = dict.fromkeys((variant, count) for variant, count, _ in ratios)

    def over(cases: dict[str, str]) -> list[float]:
        """Medians of cases, relative to those of other cases."""
        pairs = [((*system, case), (*system, base)) for system in systems for case, base in cases.items()]
        constant = {(*system, CONSTANT): {"median": 1.0} for system in systems}
        known = ratios | constant
        return [
            known[one]["median"] / known[other]["median"] for one, other in pairs if one in known and other in known
        ]

    lines: list[tuple[str, str, str]] = []

    def add(what: str, found: list[float], goal: float, unit: str = "", noise: str = "") -> None:
        if not found:
            return
        middle, low, high = float(np.median(found)), min(found), max(found)
        if noise:
            text = f"{middle:.2f} (of {len(found)}: {low:.2f} to {high:.2f}; {noise})"
            lines.append((what, text, "within the noise" if middle <= goal else "missed"))
        else:
            lines.append((what, f"at most {high:.3g}{unit}", "met" if high <= goal else "missed"))

    again = over({AGAIN: CONSTANT})
    noise = f"the constant against itself {min(again):.2f} to {max(again):.2f}" if again else ""
    add("a step with a schedule: 1.01", over(SCHEDULES), 1.01, noise=noise)
    add(f"a step with {LOGGER}: 1.01", over(LOGGERS), 1.01, noise=noise)
    lines += counts_report.worst_of_steps()
    counted: dict[str, dict[str, float]] = {}
    for row in rows_of("instructions"):
        counted.setdefault(row["variant"], {})[row["case"]] = row["median"]
    for what, cases, goal in (
        ("a schedule", SCHEDULES, 1.01),
        (LOGGER, LOGGERS, 1.01),
        ("`Scheduled`, over the stock optimizer", {SCHEDULED: CONSTANT}, 1.02),
    ):
        for variant, of in counted.items():
            found = [of[case] / of[base] for case, base in cases.items() if base in of]
            add(f"instructions of a step with {what}, on {SYSTEMS[variant]}: {goal}", found, goal)
    own = [row for row in rows_of("reads") if not row["case"].startswith("Keras's")]
    for backend in ("tensorflow", "jax", "torch"):
        for how, called in (("eagerly", "the rate read eagerly"), ("get_learning_rate", "`get_learning_rate`")):
            chosen = [r["microseconds"] for r in own if r["backend"] == backend and r["case"].endswith(how)]
            add(f"{called} on {SYSTEMS[backend]}: 100 µs", chosen, 100.0, " µs")
    ours = [row["milliseconds"] for row in rows_of("preview") if row["ours"] and not row["foreign"]]
    add("a million rates: 50 ms", ours, 50.0, " ms")
    logged = rows_of("logger")
    add("the logger: 24 bytes a batch", [row["bytes_per_batch"] for row in logged], 24.0)
    add("`to_frame` of ten million batches: 2 s", [row["to_frame_seconds"] for row in logged], 2.0, " s")
    add("Parquet of ten million batches: 2 s", [row["parquet_seconds"] for row in logged], 2.0, " s")
    add("import: 30 ms", [row["keras_lr_milliseconds"] for row in rows_of("importing")], 30.0, " ms")
    precise = [row for row in rows_of("precision") if row["system"] == "keras_lr" and not row["foreign"]]
    add("error, of the peak: 2e-7", [row["of_peak"] for row in precise], 2e-7)
    add("error, of the value: 2e-6", [row["of_value"] for row in precise], 2e-6)
    grown = rows_of("growth")
    beside = growth_beside_keras()
    by_size = [
        row["exponent"]
        for row in grown
        if not row["what"].endswith("by the step")
        and not (row["what"].endswith("by variables") and row["backend"] in beside)
    ]
    add("growth with pieces, variables and metrics: linear, 1.0", by_size, 1.1, " as exponent")
    for backend, found in beside.items():
        what = f"growth of a step with variables, of that with Keras's schedule, on {SYSTEMS[backend]}: 1.0"
        add(what, [found], 1.1)
    by_step = [abs(row["exponent"]) for row in grown if row["what"].endswith("by the step")]
    add("growth with the step number: none, 0.0", by_step, 0.1, " as exponent")
    add("a batch of the range test, of one of `fit`: 1.1", [row["median"] for row in rows_of("range_test")], 1.1)
    scheduled = [row["median"] for row in rows_of("scheduled_step") if row["case"] == "scheduled"]
    twice = [row["median"] for row in rows_of("scheduled_step") if row["case"] != "scheduled"]
    noise = f"the stock optimizer against itself {min(twice):.2f} to {max(twice):.2f}" if twice else ""
    add("a step with `Scheduled`: 1.02", scheduled, 1.02, noise=noise)
    tasks = cells().values()
    if tasks:
        met = sum(any(first_at(r["curve"], max(rows[-1]["curve"])) is not None for r in rows[:-1]) for rows in tasks)
        what = f"the best accuracy of the constant rate in {rows_of('training')[-1]['epochs']} epochs within a quarter"
        lines.append((what, f"in {met} of {len(tasks)} tasks", "met" if met == len(tasks) else "missed"))
        met, searched = reached_by_wider_search()
        what = f"the same by {TRAINED}, with a wider search"
        lines.append((what, f"in {met} of {searched} tasks", "met" if met == searched else "missed"))
    return table(["goal", "found", ""], lines)


def growth_beside_keras() -> dict[str, float]:
    """By what a step grows from the smallest model to the largest, of what one with Keras's schedule grows by."""
    rows = {(row["backend"], row["what"]): row["times"] for row in rows_of("growth")}
    name = "step of fit with AdamW and {}, by variables"
    found = {}
    for backend in dict.fromkeys(backend for backend, _ in rows):
        ours, keras = (rows.get((backend, name.format(of))) for of in ("a schedule", "Keras's schedule"))
        if ours is not None and keras is not None:
            found[backend] = (ours[-1] / ours[0]) / (keras[-1] / keras[0])
    return found


def fine_tuning() -> str:
    def change(row: dict[str, Any]) -> str:
        mean, low, high = (f"{100.0 * value:+.1f}".replace("-", "−") for value in row["gain"])
        return f"{mean} ({low} to {high})" if any(row["gain"]) else ""

    lines = [
        [row["strategy"], f"{row['peak']:g}", f"{100.0 * row['accuracy'][0]:.1f} %", change(row)]
        for row in rows_of("fine_tuning")
    ]
    return table(["strategy", "peak rate", "accuracy", "over one rate, in points (95 %)"], lines)


def groups_counted() -> str:
    lines = [
        [row["kind"], SYSTEMS[row["backend"]], f"{row['stock']:,.0f}", f"{row['groups']:,.0f}", row["unit"]]
        for row in rows_of("groups_counted")
    ]
    return table(["optimizer", "backend", "stock", "12 groups", "counted"], sorted(lines))


def groups() -> str:
    cases = {"groups": "12 groups", "stock again": "stock again", "first step": "12 groups, the first step"}

    lines = [
        [row["kind"], SYSTEMS[row["backend"]], cases[row["case"]], ratio(row, 3), f"{row['bytes']:.2f}"]
        for row in rows_of("groups")
    ]
    heads = ["optimizer", "backend", "what", "CPU time, of the stock optimizer's (95 %)", "bytes of the optimizer"]
    return table(heads, lines)


TABLES: dict[str, Callable[[], str]] = {
    "fine_tuning": fine_tuning,
    "groups": groups,
    "groups_counted": groups_counted,
    "scale": counts_report.scale,
    "processes": counts_report.processes,
    "log_memory": counts_report.log_memory,
    "many_trainings": counts_report.many_trainings,
    "accelerator": lambda: accelerator_report.measured(common.load("accelerator")),
    "waits": accelerator_report.waits,
    "counts": counts_report.counts,
    "forecast": forecast_report.table,
    "short": short,
    "goals": goals,
    "steps": steps,
    "scheduled_step": scheduled_step,
    "instructions": instructions,
    "reads": reads,
    "preview": preview,
    "logger": logger,
    "importing": importing,
    "precision": precision,
    "growth": growth,
    "range_test": range_test,
    "training": training,
    "training_further": further,
}


ALWAYS = ("short", "goals", "accelerator")
"""The tables that have no file of their own, or say themselves that there is none."""

COMPLETE = (*ALWAYS, "forecast")
"""Those that say themselves what they were made with, if at all."""


def entry(name: str) -> str:
    """A table, with what it was made with."""
    runs = common.load(name)
    if not runs and name not in ALWAYS:
        return "(not measured yet)"
    made = TABLES[name]()
    return made if name in COMPLETE else f"{made}\n\n{made_with(max(runs.values(), key=lambda run: run['date']))}"


def filled(text: str) -> str:
    """A page with its tables made anew."""

    def replaced(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"<!-- benchmark: {name} -->\n\n{entry(name)}\n\n<!-- end -->"

    return re.sub(r"<!-- benchmark: (\w+) -->.*?<!-- end -->", replaced, text, flags=re.DOTALL)


def write() -> None:
    """Bring pages and figures up to date."""
    figure()
    if common.load("forecast"):
        forecast_report.figure()
    for page in PAGES:
        if page.exists():
            page.write_text(filled(page.read_text()))


if __name__ == "__main__":
    write()
