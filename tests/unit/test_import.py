"""Importing the library is quick and loads nothing heavy; the lessons' modules never load the application."""

import json
import pkgutil

import pytest
from helpers import run_python

import course_utils

MODULES = [
    module.name
    for module in pkgutil.walk_packages(course_utils.__path__, "course_utils.")
    if not module.ispkg and ".app." not in module.name
]
# a sentence-transformers module is a torch class; load_embedder imports it only for the model that needs it
MODULES.remove("course_utils.embedding.instruct")
HEAVY = {"torch", "transformers", "sentence_transformers", "umap", "sklearn", "scipy", "plotly", "matplotlib"}
#: Classes that derive from scikit-learn's need it, and what it needs, when they are defined.
NEEDED = {"course_utils.learning.value_learner": {"sklearn", "scipy"}}


def loaded_by(module):
    code = "import importlib, json, sys; importlib.import_module(sys.argv[1]); print(json.dumps([*sys.modules]))"
    return set(json.loads(run_python(code, module)))


def test_importing_the_package_takes_less_than_half_a_second():
    code = "import time; begin = time.perf_counter(); import course_utils; print(time.perf_counter() - begin)"
    assert float(run_python(code)) < 0.5  # one of the two promises about time; it takes a hundredth of that


@pytest.mark.parametrize("module", ["course_utils", *MODULES])
def test_importing_a_module_loads_nothing_heavy(module):
    loaded = loaded_by(module)
    assert module in loaded
    assert loaded & HEAVY == NEEDED.get(module, set())
    assert "course_utils.app" not in loaded


def test_the_application_loads_nothing_heavy_either():
    assert loaded_by("course_utils.app.cli") & HEAVY == set()
