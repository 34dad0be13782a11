"""Fixtures of the unit tests: one real model for all of them, and never the user's own vectors."""

import pytest

from course_utils.embedding import EmbeddingCache, load_embedder


@pytest.fixture(scope="session")
def minilm(tmp_path_factory):
    """The default model with a cache of its own."""
    return load_embedder(cache=EmbeddingCache(tmp_path_factory.mktemp("minilm") / "vectors.sqlite"))


@pytest.fixture
def own_cache_dir(tmp_path, monkeypatch):
    """An empty cache folder for data and vectors, in place of the user's, with a name that not all software likes."""
    folder = tmp_path / "Käthes Kurs 数据"
    monkeypatch.setenv("COURSE_CACHE_DIR", str(folder))
    return folder
