"""What several unit tests share: a cheap stand-in for a model, and Python in processes of its own."""

import contextlib
import hashlib
import html
import io
import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from course_utils.embedding import LocalEmbedder, ModelCard
from course_utils.paths import ROOT

CARD = ModelCard(
    name="test/fake",
    n_parameters=1,
    embed_dim=8,
    max_tokens=16,
    query_prompt="query: ",
    document_prompt="passage: ",
    instruction_prompt="Instruct: {instruction}\nQuery:",
)


class FakeModel:
    """Answers like a SentenceTransformer, with vectors made from a hash, and remembers what it was asked.

    ``shift`` moves every vector a little, as another machine's arithmetic would.
    """

    tokenizer = None

    def __init__(self, dim=8, max_seq_length=16, dtype="float32", shift=0.0, seconds_a_call=0.0):
        self.dim, self.max_seq_length, self.dtype = dim, max_seq_length, dtype
        self.shift, self.seconds_a_call = shift, seconds_a_call
        self.calls = []  # (texts, prompt)

    def get_embedding_dimension(self):
        return self.dim

    def encode(self, texts, *, prompt, batch_size, show_progress_bar, normalize_embeddings):
        assert not normalize_embeddings
        self.calls.append((list(texts), prompt))
        time.sleep(self.seconds_a_call)
        return np.stack([self.vector(prompt + text) for text in texts])

    def vector(self, text):
        """A vector of a length other than 1 that depends on the first ``max_seq_length`` characters only."""
        seed = hashlib.sha256(text[: self.max_seq_length].encode()).digest()
        return (3 * np.random.default_rng(list(seed)).normal(size=self.dim) + self.shift).astype(np.float32)

    @property
    def n_texts(self):
        return sum(len(texts) for texts, _ in self.calls)


def fake_embedder(cache=False, fingerprint="fake", card=CARD, **model):
    return LocalEmbedder(FakeModel(**model), card, fingerprint=fingerprint, cache=cache)


#: What matplotlib would take for a formula, whole or broken.
FORMULAS = ["from $5 to $10", r"\$ and $x_1$", "$\\frac{$ a", "$$", r"costs \\$5$", "100 % & <b>$x$</b>"]


def shown_in(figure):
    """All words of a matplotlib figure, as they are drawn."""
    import matplotlib.pyplot as plt

    with plt.rc_context({"svg.fonttype": "none"}):
        figure.savefig(drawn := io.StringIO(), format="svg")
    return html.unescape("\n".join(re.findall("<text[^>]*>([^<]*)</text>", drawn.getvalue())))


def start_python(code, *arguments, prefix=(), **environment):
    """Start ``code`` in another Python; these helpers can be imported there."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def output_of(process, timeout=120):
    """Wait for a process and return what it printed; it must have ended well."""
    try:
        output, errors = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return output


def run_python(code, *arguments, **options):
    return output_of(start_python(code, *arguments, **options))


def kill_at_line(line, function, *arguments, **options):
    """Call a function in a copy of this process that ends at once at this line of the
    library, counted as they run; return how the copy ended: 9, or 0 when it had fewer lines."""
    if not hasattr(os, "fork"):
        pytest.skip("kills a copy of this process, which Windows cannot make")
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    lines = itertools.count(1)

    def count(frame, event, argument):
        if not frame.f_code.co_filename.startswith(str(ROOT / "course_utils")):
            return None
        if event == "line" and next(lines) == line:
            os._exit(9)
        return count

    sys.settrace(count)
    with contextlib.suppress(BaseException):
        function(*arguments, **options)
        os._exit(0)
    os._exit(1)


@cache
def _can_mount():
    if not shutil.which("unshare"):
        return False
    try_it = [*_with_mounts("mount -t tmpfs none /tmp"), "true"]
    return subprocess.run(try_it, capture_output=True).returncode == 0


def _with_mounts(script):
    inside = ["sh", "-c", f'set -e; {script}; exec "$@"', "sh"]
    return ["unshare", "--user", "--map-root-user", "--mount", *inside]


def with_mounts(script):
    """Give the words to put before a command so that it alone sees what ``script`` mounts; skip where that fails."""
    if not _can_mount():
        pytest.skip("needs Linux with user namespaces, to mount a file system of its own")
    return _with_mounts(script)
