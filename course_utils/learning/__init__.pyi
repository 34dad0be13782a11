from .group_ridge import GroupRidge as GroupRidge
from .measures import Measures as Measures
from .projection_head import CheckpointError as CheckpointError, HeadSettings as HeadSettings
from .projection_head import ProjectionHead as ProjectionHead, train_projection_head as train_projection_head
from .ridge import ALPHAS as ALPHAS
from .scored_examples import RankingExample as RankingExample
from .text_embedder import TextEmbedder as TextEmbedder
from .value_learner import EmbeddingValueLearner as EmbeddingValueLearner, predict_ensemble as predict_ensemble
