"""The course's own instruction-aware model: frozen MiniLM and a small head that reads the instruction on its own.

The instruction is not put in front of the text. MiniLM embeds it once, and a head of a few hundred thousand weights
turns that vector into gates, each for a low-rank change of the text's vector. Without an instruction the head is
left out, so these vectors are MiniLM's, byte for byte. It follows the kinds of instruction it was taught (see the
model card beside its weights) and no others: a stand-in for learning with, not a rival of models trained to follow
any instruction.

The parts are sentence-transformers modules, and a saved copy is an ordinary sentence-transformers folder. Loading
one needs ``trust_remote_code=True``, which sentence-transformers asks for as soon as a class is not its own,
and holds the 90 MB of MiniLM again; the course does neither and puts the parts together here.
"""

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Module, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu, normalize

#: Folder with the head's weights and configuration and the model card.
HEAD = Path(__file__).with_name("models") / "course-instruct"


class InstructionTransformer(Transformer):
    """A transformer that keeps the prompt apart from the text, embeds it too, and passes on all its layers."""

    def preprocess(self, inputs, prompt: str | None = None, **kwargs) -> dict:
        """Tokenize the texts without the prompt, and the prompt as ``instruction_ids``, where it has any words."""
        features = super().preprocess(inputs, **kwargs)
        if prompt and prompt.strip():
            # not cut at max_seq_length, which the user may have set to a few tokens of text
            length = self.config.max_position_embeddings
            instruction = self.tokenizer(prompt.strip(), truncation=True, max_length=length, return_tensors="pt")
            features["instruction_ids"] = instruction["input_ids"]
        return features

    def forward(self, features: dict, **kwargs) -> dict:
        """Add the token vectors of all layers and, under an instruction, ``instruction_embedding``."""
        instruction = features.pop("instruction_ids", None)
        features = super().forward(features, **kwargs)
        if instruction is not None:
            tokens = self.model(input_ids=instruction).last_hidden_state.float()
            features["instruction_embedding"] = normalize(tokens.mean(dim=1), dim=-1)
        return features


class GatedHead(Module):
    """Moves a text's vector towards what the instruction asks for; without an instruction it does nothing.

    It has a gate for each factor that it was taught. With e the instruction's unit vector, softmax(G gelu(H e))
    says how likely it asks for each factor, or for none of them; stretched so that it reaches 0 and 1, this is the
    gate g_f. With x the mean token vectors of some layers (standardised) and v the text's own unit vector, a
    factor's low-rank change is t_f = unit(unit(B_f tanh(A_f x)) + c_f v), and the result has the direction of (1 −
    Σ g_f) v + Σ g_f t_f.

    Parameters
    ----------
    factors : list of str
        Names of the factors.
    layers : list of int
        Hidden layers that are read; 0 is the token embeddings.
    dim : int, default 384
        Dimensions of a vector.
    rank : int, default 24
        Features that are read from a text for each factor (rows of A_f, columns of B_f).
    hidden : int, default 64
        Rows of H.

    Examples
    --------
    >>> import torch
    >>> from course_utils.embedding.instruct import GatedHead
    >>> head = GatedHead(["sentiment", "tone"], layers=[3, 4])
    >>> tuple(head.gates(torch.zeros(1, 384)).shape)  # one instruction, two factors
    (1, 2)
    """

    config_keys = ["factors", "layers", "dim", "rank", "hidden"]

    def __init__(self, factors: list[str], layers: list[int], dim: int = 384, rank: int = 24, hidden: int = 64):
        super().__init__()
        self.factors, self.layers, self.dim, self.rank, self.hidden = list(factors), list(layers), dim, rank, hidden
        width = dim * len(layers)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.instruction = nn.Linear(dim, hidden)
        self.gate = nn.Linear(hidden, len(factors) + 1)  # the last one: none of them
        self.read = nn.Linear(width, len(factors) * rank)
        self.write = nn.Parameter(torch.randn(len(factors), rank, dim) / rank**0.5)
        self.keep = nn.Parameter(torch.full((len(factors),), -1.5))  # c, before its sigmoid

    def forward(self, features: dict, **kwargs) -> dict:
        """Replace ``sentence_embedding`` where there is an ``instruction_embedding``."""
        instruction = features.get("instruction_embedding")
        if instruction is not None:
            own = features["sentence_embedding"]
            moved = self.steer(self.layer_means(features), normalize(own.float(), dim=-1), instruction)
            features["sentence_embedding"] = moved.to(own.dtype)
        return features

    def layer_means(self, features: dict) -> Tensor:
        """Mean token vector of each layer that is read, side by side: shape (n, dim · number of layers)."""
        mask = features["attention_mask"].unsqueeze(-1).float()
        hidden = features["all_layer_embeddings"]
        return torch.cat([(hidden[i].float() * mask).sum(dim=1) / mask.sum(dim=1) for i in self.layers], dim=-1)

    def logits(self, instruction: Tensor) -> Tensor:
        """For unit vectors of instructions, (n, dim): a logit for each factor and one for none, (n, factors + 1)."""
        return self.gate(gelu(self.instruction(instruction)))

    def gates(self, instruction: Tensor) -> Tensor:
        """How far each factor is followed under an instruction, from 0 to 1: shape (n, factors)."""
        # stretched, so that it reaches 0: what is not to be followed leaves the vectors exactly where they are
        return (1.2 * torch.softmax(self.logits(instruction), dim=-1)[:, :-1] - 0.1).clamp(0, 1)

    def targets(self, means: Tensor, own: Tensor, noise: float = 0.0) -> Tensor:
        """Where each factor would move the texts: unit vectors, shape (n, factors, dim).

        Parameters
        ----------
        means : Tensor of shape (n, width)
            Layer means of the texts.
        own : Tensor of shape (n, dim)
            The texts' own unit vectors.
        noise : float, default 0.0
            Share of the means that is dropped in training.
        """
        read = torch.tanh(self.read(dropout((means - self.mean) / self.scale, noise, self.training)))
        read = read.view(len(means), len(self.factors), self.rank)
        change = normalize(torch.einsum("nfr,frd->nfd", read, self.write), dim=-1)
        return normalize(change + torch.sigmoid(self.keep)[:, None] * own[:, None], dim=-1)

    def steer(self, means: Tensor, own: Tensor, instruction: Tensor) -> Tensor:
        """Compute the vectors, (n, dim), under an instruction, (1, dim); the rest as in :meth:`targets`."""
        gates = self.gates(instruction)
        moved = torch.einsum("nf,nfd->nd", gates.expand(len(means), -1), self.targets(means, own))
        return normalize((1 - gates.sum(dim=-1, keepdim=True)).clamp(min=0) * own + moved, dim=-1)

    def save(self, output_path: str, *args, safe_serialization: bool = True, **kwargs) -> None:
        """Write ``config.json`` and ``model.safetensors``."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, **kwargs) -> "GatedHead":
        """Read a saved head."""
        names = ("subfolder", "token", "cache_folder", "revision", "local_files_only")
        where = {name: kwargs[name] for name in names if name in kwargs}
        head = cls(**cls.load_config(model_name_or_path, **where))
        return cls.load_torch_weights(model_name_or_path, model=head, **where)


def load_instruct_model(base: Path, dtype: str = "float32", head: GatedHead | None = None) -> SentenceTransformer:
    """Put the head behind MiniLM: a SentenceTransformer whose ``prompt`` is the instruction.

    Its ``save_pretrained`` writes an ordinary sentence-transformers folder; see the module's first lines on loading it.

    Parameters
    ----------
    base : Path
        MiniLM's folder.
    dtype : {"float32", "bfloat16"}
        Precision of MiniLM; the head computes in float32.
    head : GatedHead, optional
        None for the one that comes with the course.

    Returns
    -------
    SentenceTransformer
        Its modules are MiniLM, the pooling, the head and a normalisation.

    Examples
    --------
    >>> from course_utils.embedding import find_weights
    >>> from course_utils.embedding.instruct import load_instruct_model
    >>> model = load_instruct_model(find_weights("course-instruct")[0])
    >>> model.encode("What a lovely teacher!", prompt="Classify the sentiment").shape
    (384,)
    """
    head = GatedHead.load(str(HEAD), local_files_only=True) if head is None else head
    encoder = InstructionTransformer.load(
        str(base), local_files_only=True, model_kwargs={"dtype": dtype}, config_kwargs={"output_hidden_states": True}
    )
    pooling = Pooling.load(str(base), subfolder="1_Pooling", local_files_only=True)
    model = SentenceTransformer(modules=[encoder, pooling, Normalize()])
    model.insert(2, head.eval())  # not before: all modules are given the precision of the first
    return model
