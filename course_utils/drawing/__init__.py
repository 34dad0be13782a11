"""Numbers become pictures: maps, the course's figures, and the five pictures of a retriever."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
