from .batches import read_batches as read_batches
from .columns import read_scored as read_scored, read_texts as read_texts
from .corpora import EMOJI_LANGUAGES as EMOJI_LANGUAGES, is_corpus_name as is_corpus_name
from .corpora import is_file_name as is_file_name
from .corpora import NEWSGROUPS as NEWSGROUPS, OWN_CORPORA as OWN_CORPORA, load_corpus as load_corpus
from .fetching import CorpusUnavailableError as CorpusUnavailableError, fetch as fetch
from .fetching import missing_files as missing_files, sources as sources
from .groups import joined_groups as joined_groups
from .instructions import Task as Task, load_tasks as load_tasks
from .pairs import Pairs as Pairs, read_pairs as read_pairs, split_pairs as split_pairs
from .questions import Questions as Questions, read_questions as read_questions
from .tensor_file import TensorFileError as TensorFileError, read_tensors as read_tensors
from .tensor_file import write_tensors as write_tensors
