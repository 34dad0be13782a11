from .projection_head import CheckpointError as CheckpointError
from .projection_head import ProjectionHead as ProjectionHead
from .projection_head import train_projection_head as train_projection_head
from .value_learner import ALPHAS as ALPHAS
from .value_learner import EmbeddingValueLearner as EmbeddingValueLearner
from .value_learner import RankingExample as RankingExample
from .value_learner import TextEmbedder as TextEmbedder
from .value_learner import predict_ensemble as predict_ensemble
