from . import answering as answering
from . import finder as finder
from . import say as say
from .exercise import exercises as exercises
