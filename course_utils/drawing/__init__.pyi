from . import maps as maps
from . import plots as plots
from .maps import map_quality as map_quality, project as project, project_aligned as project_aligned
from .maps import sampled_quality as sampled_quality
from .plots import PALETTE as PALETTE, preview as preview
from .visualizer import EmbeddingVisualizer as EmbeddingVisualizer, Picture as Picture
