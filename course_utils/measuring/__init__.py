"""Vectors become numbers: measures and their intervals, comparisons of models, a recommendation."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
