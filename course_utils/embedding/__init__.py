"""A text becomes a vector: models of this machine, behind an endpoint, or stored in a file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
