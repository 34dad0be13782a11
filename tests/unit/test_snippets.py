"""Every snippet of the value learner's guide runs as it stands, in a folder that is not the course's.

They run in their order: what one saves, a later one loads. Snippets in ``sh`` are the command that serves, on a free
port here, and questions to it.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from course_utils.learning import EmbeddingValueLearner
from course_utils.paths import ROOT

GUIDE = (ROOT / "docs" / "value_learner.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```(.*)\n((?:.*\n)*?)```$", GUIDE, re.MULTILINE)
OF = {kind: [code for name, code in SNIPPETS if name == kind] for kind in ("python", "text", "sh")}
SERVE, *ASK = "".join(OF["sh"]).splitlines()


def test_every_snippet_is_of_a_kind_that_is_run():
    assert GUIDE.count("```") == 2 * len(SNIPPETS) == 2 * sum(map(len, OF.values()))
    assert len(OF["python"]) >= 4 and SERVE.startswith("course ") and {line.split()[0] for line in ASK} == {"curl"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("somewhere else")


@pytest.fixture(autouse=True)
def in_it(folder, own_cache_dir, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_PROXY", "*")


def test_the_snippets_in_python_run(folder, capsys):
    outputs = []
    for number, code in enumerate(OF["python"]):
        exec(compile(code, f"snippet {number}", "exec"), {"__name__": "__main__"})
        outputs.append(capsys.readouterr().out)
    assert all(outputs) and (folder / "taste.safetensors").exists()
    learned, *_, asked = outputs
    assert re.search(r"^[\d.]+  Walk in the woods\n[\d.-]+  Spend the evening in a casino$", learned, re.MULTILINE)
    assert [found["text"] for found in eval(asked)] == ["Walk in the woods", "Play roulette"]


def test_what_training_prints_is_shown_as_it_is():
    printed = str(EmbeddingValueLearner.from_file(ROOT / "datasets" / "saturdays.csv").train())
    [shown] = OF["text"]
    assert re.sub(r"[\d.]+", "#", printed) == re.sub(r"[\d.]+", "#", shown.rstrip("\n"))


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not here")
def test_the_snippets_for_the_terminal_run(folder):
    exec(OF["python"][0], {"__name__": "__main__"})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "course_utils.app.cli", *shlex.split(SERVE)[1:], "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    served = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_it_answers(f"http://127.0.0.1:{port}/health", served)
        for line in ASK:
            assert "localhost:8000" in line
            words = shlex.split(line.replace("localhost:8000", f"localhost:{port}"))
            answer = json.loads(subprocess.run(words, capture_output=True, check=True, timeout=60).stdout)
            (sent,) = [json.loads(word) for word in words if word.startswith("{")]
            found = answer if isinstance(answer, list) else [answer]
            assert sorted(each["text"] for each in found) == sorted(sent.get("texts", [sent.get("text")]))
            assert all(isinstance(each["score"], float) for each in found)
    finally:
        served.terminate()
        served.wait(60)


def until_it_answers(url, process):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return urlopen(url, timeout=10).close()
        except URLError:
            time.sleep(0.1)
    raise AssertionError("The service did not come up.")
