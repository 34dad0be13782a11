from . import benchmark as benchmark, intervals as intervals, metrics as metrics, recommend as recommend
from . import misses as misses, timing as timing
from .benchmark import Classification as Classification, Contender as Contender, Retrieval as Retrieval
from .benchmark import Similarity as Similarity
from .index import Index as Index, IndexUnavailableError as IndexUnavailableError
from .intervals import Interval as Interval, difference_interval as difference_interval
from .intervals import bounded_interval as bounded_interval, mean_interval as mean_interval
from .intervals import spearman_interval as spearman_interval
from .metrics import knn_accuracy as knn_accuracy, knn_overlap as knn_overlap, mrr_at_10 as mrr_at_10
from .metrics import ndcg_at_10 as ndcg_at_10, nearest_neighbors as nearest_neighbors, normalize as normalize
from .metrics import recall_at_k as recall_at_k
from .misses import explain_misses as explain_misses
from .mteb_tasks import evaluate_with_mteb as evaluate_with_mteb
from .retrieval import AnswerRanking as AnswerRanking, Verdict as Verdict, first_ranks as first_ranks
