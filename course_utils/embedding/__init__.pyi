from . import variants as variants
from .base import Embedder as Embedder, EmbeddingOptions as EmbeddingOptions
from .cache import EmbeddingCache as EmbeddingCache
from .catalog import CATALOG as CATALOG, DEFAULT_MODEL as DEFAULT_MODEL, ModelCard as ModelCard
from .catalog import UnknownModelError as UnknownModelError, find_model as find_model
from .endpoint import ENDPOINTS as ENDPOINTS, EndpointError as EndpointError, RemoteEmbedder as RemoteEmbedder
from .endpoint import PUBLISHED_SIMILARITIES as PUBLISHED_SIMILARITIES
from .loading import load_embedder as load_embedder
from .local import LocalEmbedder as LocalEmbedder
from .packaged import BACKENDS as BACKENDS, PackagedEmbedder as PackagedEmbedder
from .receipt import Unread as Unread
from .shards import FOLDER_FORMAT as FOLDER_FORMAT, MANIFEST as MANIFEST, ShardError as ShardError
from .shards import read_manifest as read_manifest, read_shards as read_shards
from .stored import StoredVectors as StoredVectors, StoredVectorsError as StoredVectorsError
from .stored import VECTORS_FORMAT as VECTORS_FORMAT, text_digest as text_digest
from .variants import keep_layers as keep_layers, quantize as quantize, randomize as randomize
from .weights import ModelUnavailableError as ModelUnavailableError, find_weights as find_weights
from .weights import hub_answers as hub_answers, missing_parts as missing_parts
