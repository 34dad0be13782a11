"""Nothing is lost: each command is disturbed at moments chosen by a seed, and what it stored is looked for.

What a trial is stands in trials.py, the commands in commands.py. In the ordinary run each fault hits each command
once, five moments a command; with `--long` TRIALS times, and tools/fault_table.py makes the table in docs/ of that.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import COMMANDS, Command
from trials import FAULTS, Disk, Trials

from course_utils.paths import ROOT

TRIALS = 10  # fifty moments a command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has loaded torch")


@pytest.fixture(scope="module")
def results(pytestconfig, tmp_path_factory):
    long = pytestconfig.getoption("--long")
    out = ROOT / "runs" / "faults.json" if long else tmp_path_factory.mktemp("chaos") / "faults.json"
    out.parent.mkdir(exist_ok=True)
    program = [sys.executable, Path(__file__).with_name("trials.py"), "--trials", str(TRIALS if long else 1)]
    done = subprocess.run([*program, "--out", out], capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(out.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_lost_whatever_happens_in_the_middle(command, results):
    tried = [result for result in results if result["command"] == command]
    assert {result["fault"] for result in tried} >= set(FAULTS) - {"read-only"}  # root cannot try it everywhere
    assert [result for result in tried if result["lost"]] == []


def careless(second: bool, away: bool) -> None:
    print("stored")
    Path("two works" if second else "works").write_text("new", encoding="utf-8")
    Path("works").write_text("new" + "er" * second, encoding="utf-8")


def look_for_work() -> dict[str, object]:
    text = Path("works").read_text(encoding="utf-8")
    return {"the work": text} if text else {}


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("killed", "the work was there before and is not any more"),
        ("killed", "the work was reported and is not there"),
        ("interrupted", "not a sentence"),
        ("disk full", "not a sentence"),
    ],
)
def test_a_careless_command_is_found_out(fault, complaint, tmp_path):
    said = "nothing" if "before" in complaint else "stored"
    command = Command(
        careless,
        look_for_work,
        prepare=lambda: Path("works").write_text("old", encoding="utf-8") and None,
        reported=lambda output, name: said in output,
    )
    trials = Trials(Disk(tmp_path), command)
    lost = [each for seed in range(20) for each in trials.try_fault(fault, seed)["lost"]]
    assert [each for each in lost if each.startswith(complaint)]


def test_a_command_has_many_moments_at_which_something_may_happen(results):
    for command in COMMANDS:
        assert min(result["of"] for result in results if result["command"] == command) >= 10


def test_the_table_of_faults_is_of_these_commands_and_faults():
    table = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    assert [name for name in (*COMMANDS, *FAULTS) if f"| {name} |" not in table and f" {name} |" not in table] == []
