"""Writes docs/faults.md: the table of faults that were tried on each command, and how many it survived.

    python start.py test tests/chaos --long
    python tools/fault_table.py

The first leaves its results in runs/faults.json; tests/chaos/trials.py says what a trial is.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from course_utils.paths import ROOT

sys.path.insert(0, str(ROOT / "tests" / "chaos"))

HEAD = """# Faults tried and survived

Written by `python tools/fault_table.py` from the results of `tests/chaos`, each cell with the number of its trials. The
ordinary test run tries each fault once on each command, `--long` ten times.
{n_trials} trials, {n_survived} survived{seeds}.

A command runs until a moment that a seed draws, and there something happens. A *moment* is an event at which files or
databases change: a file opened for writing, a write, a rename, a statement of SQLite, a commit, or the return from one
of them; every line of the course that leads to some is drawn as often as every other. To *survive* is that afterwards

- everything that was there before, or that the command said is stored, is there and equal to a clean run,
- what the user saw is a sentence and no traceback,
- the same command, run again, ends with what a clean run leaves.

| fault | what happens at the moment |
| --- | --- |
| killed | `kill -9` |
| interrupted | Ctrl-C (SIGINT); the cache is then used on by the same kernel and by another |
| disk full | the file system has not one free byte any more, and what is stored is read while it is full |
| read-only | the run is cut short (`kill -9`) and nothing can be written; the command is run, what is stored is read |
| two at once | the first run stands still while a second one does what it can, then both go on |

An update of the course is also tried again with the index away before it is tried with it.

"""


def table(results: list[dict]) -> str:
    """Rows of commands, columns of faults; each cell says how many of the trials were survived."""
    from trials import FAULTS

    tried = Counter((result["command"], result["fault"]) for result in results)
    survived = Counter((result["command"], result["fault"]) for result in results if not result["lost"])
    moments = {result["command"]: result["of"] for result in results}
    lines = [f"| command | moments | {' | '.join(FAULTS)} |", "| --- " * (len(FAULTS) + 2) + "|"]
    for command, n_moments in moments.items():
        cells = [f"{survived[command, fault]} of {tried[command, fault]}" for fault in FAULTS]
        lines.append(f"| {command} | {n_moments} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(source: Path = ROOT / "runs" / "faults.json", out: Path = ROOT / "docs" / "faults.md") -> None:
    """Read the results of the long form and write the page."""
    results = json.loads(source.read_text(encoding="utf-8"))
    seeds = sorted({result["seed"] for result in results})
    survived = sum(not result["lost"] for result in results)
    head = HEAD.format(n_trials=len(results), n_survived=survived, seeds=f" (seeds {seeds[0]} to {seeds[-1]})")
    out.write_text(head + table(results), encoding="utf-8")
    print(f"{out.name}: {survived} of {len(results)} survived")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
