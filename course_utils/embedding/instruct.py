"""The course's own instruction-aware model: frozen MiniLM and a head that reads the instruction on its own.

The instruction is not put in front of the text. MiniLM embeds it once, and the head turns that vector into gates:
which of the factors that it was taught is asked for, if any. For some factors an adapter of a few hundred thousand
weights changes how MiniLM reads the text; for the others the text's vector is changed. (jina-embeddings-v3 chooses
among adapters for tasks in the same way.) Without an instruction the head is left out, so these vectors are MiniLM's,
byte for byte. It follows the kinds of instruction it was taught (see the model card beside its weights) and no
others: a stand-in for learning with, not a rival of models trained to follow any instruction.

The parts are sentence-transformers modules, and a saved copy is an ordinary sentence-transformers folder. Loading
one needs ``trust_remote_code=True``, which sentence-transformers asks for as soon as a class is not its own,
and holds the 90 MB of MiniLM again; the course does neither and puts the parts together here.
"""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Module, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor, nn
from torch.func import functional_call
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
        """Add the token vectors of all layers and, under an instruction, ``instruction_embedding`` and ``read_with``.

        The latter is :meth:`read_with` for these texts.
        """
        instruction = features.pop("instruction_ids", None)
        inputs = dict(features)
        features = super().forward(features, **kwargs)
        if instruction is not None:
            tokens = self.model(input_ids=instruction).last_hidden_state.float()
            features["instruction_embedding"] = normalize(tokens.mean(dim=1), dim=-1)
            features["read_with"] = partial(self.read_with, inputs)
        return features

    def read_with(self, inputs: dict, change: dict[str, Tensor]) -> Tensor:
        """Unit vectors of tokenized texts, (n, dim), where the weights are changed for the time of this call.

        Parameters
        ----------
        inputs : dict
            Token numbers and mask, as ``preprocess`` gives them.
        change : dict of str to Tensor
            What is added to the weight of that name.
        """
        own = dict(self.model.named_parameters())
        changed = {name: own[name] + added.to(own[name].dtype) for name, added in change.items()}
        known = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        tokens = functional_call(self.model, changed, (), known).last_hidden_state.float()
        mask = known["attention_mask"].unsqueeze(-1).float()
        return normalize((tokens * mask).sum(dim=1) / mask.sum(dim=1), dim=-1)


class Adapter(nn.Module):
    """A low-rank change of all weight matrices in a BERT's layers (LoRA, arXiv:2106.09685): W becomes W + U D.

    Parameters
    ----------
    n_layers : int, default 6
        Layers of the transformer.
    dim : int, default 384
        Dimensions of a token vector; the inner layer has four times as many.
    rank : int, default 16
        Rows of D, columns of U.

    Examples
    --------
    >>> from course_utils.embedding.instruct import Adapter
    >>> change = Adapter(n_layers=1, rank=2).change()
    >>> list(change)[0], tuple(change["encoder.layer.0.output.dense.weight"].shape)
    ('encoder.layer.0.attention.self.query.weight', (384, 1536))
    """

    def __init__(self, n_layers: int = 6, dim: int = 384, rank: int = 16):
        super().__init__()
        sizes = {f"attention.{name}": (dim, dim) for name in ("self.query", "self.key", "self.value", "output.dense")}
        sizes |= {"intermediate.dense": (4 * dim, dim), "output.dense": (dim, 4 * dim)}
        self.names = [f"encoder.layer.{layer}.{name}.weight" for layer in range(n_layers) for name in sizes]
        shapes = list(sizes.values()) * n_layers
        # U begins at 0, so the change does too
        self.down = nn.ParameterList(torch.randn(rank, width) / width**0.5 for _, width in shapes)
        self.up = nn.ParameterList(torch.zeros(height, rank) for height, _ in shapes)

    def change(self) -> dict[str, Tensor]:
        """What is added to each weight, by its name."""
        return {name: up @ down for name, up, down in zip(self.names, self.up, self.down, strict=True)}


class InstructionHead(Module):
    """Moves a text's vector towards what the instruction asks for; without an instruction it does nothing.

    It has a gate for each factor that it was taught. With e the instruction's unit vector, softmax(G gelu(H e))
    says how likely it asks for each factor, or for none of them; stretched so that it reaches 0 and 1, this is the
    gate g_f. A factor moves the text to a unit vector t_f in one of two ways. Some have an :class:`Adapter`: t_f is
    the vector of the transformer with the adapter's change. For the others, with x the mean token vectors of some
    layers (standardised) and v the text's own unit vector, a low-rank change of the vector does,
    t_f = unit(unit(B_f tanh(A_f x)) + c_f v). With t = unit((1 − Σ g_f) v + Σ g_f t_f), the result has the direction
    of (1 − s) v + s t: the strength s says how much of what the text is about is given up for what is asked.

    Parameters
    ----------
    adapted : list of str
        Names of the factors with an adapter.
    factors : list of str
        Names of the factors whose change reads the layers.
    layers : list of int
        Hidden layers that are read; 0 is the token embeddings.
    dim : int, default 384
        Dimensions of a vector.
    rank : int, default 24
        Features that are read from a text for each factor (rows of A_f, columns of B_f).
    hidden : int, default 64
        Rows of H.
    adapter_rank : int, default 16
        Rank of the adapters.
    strength : float, default 1.0
        s, from 0 to 1.

    Examples
    --------
    >>> import torch
    >>> from course_utils.embedding.instruct import InstructionHead
    >>> head = InstructionHead(["sentiment"], ["tense", "urgency"], layers=[3, 4])
    >>> tuple(head.gates(torch.zeros(1, 384)).shape)  # one instruction, three factors
    (1, 3)
    """

    config_keys = ["adapted", "factors", "layers", "dim", "rank", "hidden", "adapter_rank", "strength"]

    def __init__(
        self,
        adapted: list[str],
        factors: list[str],
        layers: list[int],
        dim: int = 384,
        rank: int = 24,
        hidden: int = 64,
        adapter_rank: int = 16,
        strength: float = 1.0,
    ):
        super().__init__()
        self.adapted, self.factors, self.layers = list(adapted), list(factors), list(layers)
        self.dim, self.rank, self.hidden, self.adapter_rank = dim, rank, hidden, adapter_rank
        self.strength = strength
        width = dim * len(layers)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.instruction = nn.Linear(dim, hidden)
        self.gate = nn.Linear(hidden, len(self.taught) + 1)  # the last one: none of them
        self.adapters = nn.ModuleDict({name: Adapter(dim=dim, rank=adapter_rank) for name in adapted})
        self.read = nn.Linear(width, len(factors) * rank)
        self.write = nn.Parameter(torch.randn(len(factors), rank, dim) / rank**0.5)
        self.keep = nn.Parameter(torch.full((len(factors),), -1.5))  # c, before its sigmoid

    @property
    def taught(self) -> list[str]:
        """All factors, in the order of the gates."""
        return self.adapted + self.factors

    def forward(self, features: dict, **kwargs) -> dict:
        """Replace ``sentence_embedding`` where an instruction asks for a factor; else leave it to the byte."""
        instruction, read_with = features.get("instruction_embedding"), features.pop("read_with", None)
        if instruction is not None and self.gates(instruction).any():
            own = features["sentence_embedding"]
            means, unit = self.layer_means(features), normalize(own.float(), dim=-1)
            moved = self.steer(means, unit, instruction, lambda name: read_with(self.adapters[name].change()))
            features["sentence_embedding"] = moved.to(own.dtype)
        return features

    def layer_means(self, features: dict) -> Tensor:
        """Mean token vector of each layer that is read, side by side: shape (n, dim · number of layers)."""
        mask = features["attention_mask"].unsqueeze(-1).float()
        hidden = features["all_layer_embeddings"]
        return torch.cat([(hidden[i].float() * mask).sum(dim=1) / mask.sum(dim=1) for i in self.layers], dim=-1)

    def logits(self, instruction: Tensor) -> Tensor:
        """For unit vectors of instructions, (n, dim): a logit for each factor and one for none, (n, taught + 1)."""
        return self.gate(gelu(self.instruction(instruction)))

    def gates(self, instruction: Tensor) -> Tensor:
        """How far each factor is followed under an instruction, from 0 to 1: shape (n, taught)."""
        # stretched, so that it reaches 0: what is not to be followed, or is only half understood, leaves the vectors
        # exactly where they are
        return (2 * torch.softmax(self.logits(instruction), dim=-1)[:, :-1] - 0.9).clamp(0, 1)

    def targets(self, means: Tensor, own: Tensor, noise: float = 0.0) -> Tensor:
        """Where each of ``factors`` would move the texts: unit vectors, shape (n, factors, dim).

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

    def steer(
        self, means: Tensor, own: Tensor, instruction: Tensor, adapted: Callable, strength: float | None = None
    ) -> Tensor:
        """Compute the vectors, (n, dim), under an instruction.

        Parameters
        ----------
        means, own : Tensor
            As in :meth:`targets`.
        instruction : Tensor of shape (1, dim)
            The instruction's unit vector.
        adapted : callable
            From the name of a factor to the texts' unit vectors under its adapter, (n, dim).
        strength : float, optional
            None for the head's own.
        """
        strength = self.strength if strength is None else strength
        gates = self.gates(instruction)[0]
        moved = torch.einsum("f,nfd->nd", gates[len(self.adapted) :], self.targets(means, own))
        for name, gate in zip(self.adapted, gates, strict=False):
            if gate > 0:
                moved = moved + gate * adapted(name)
        full = normalize((1 - gates.sum()).clamp(min=0) * own + moved, dim=-1)
        return normalize((1 - strength) * own + strength * full, dim=-1)

    def save(self, output_path: str, *args, safe_serialization: bool = True, **kwargs) -> None:
        """Write ``config.json`` and, in half precision, ``model.safetensors``."""
        self.save_config(output_path)
        copy.deepcopy(self).half().save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, **kwargs) -> "InstructionHead":
        """Read a saved head."""
        names = ("subfolder", "token", "cache_folder", "revision", "local_files_only")
        where = {name: kwargs[name] for name in names if name in kwargs}
        head = cls(**cls.load_config(model_name_or_path, **where))
        return cls.load_torch_weights(model_name_or_path, model=head, **where)


def load_instruct_model(base: Path, dtype: str = "float32", head: InstructionHead | None = None) -> SentenceTransformer:
    """Put the head behind MiniLM: a SentenceTransformer whose ``prompt`` is the instruction.

    Its ``save_pretrained`` writes an ordinary sentence-transformers folder; see the module's first lines on loading it.

    Parameters
    ----------
    base : Path
        MiniLM's folder.
    dtype : {"float32", "bfloat16"}
        Precision of MiniLM; the head computes in float32.
    head : InstructionHead, optional
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
    head = InstructionHead.load(str(HEAD), local_files_only=True) if head is None else head
    encoder = InstructionTransformer.load(
        str(base), local_files_only=True, model_kwargs={"dtype": dtype}, config_kwargs={"output_hidden_states": True}
    )
    pooling = Pooling.load(str(base), subfolder="1_Pooling", local_files_only=True)
    model = SentenceTransformer(modules=[encoder, pooling, Normalize()])
    model.insert(2, head.eval())  # not before: all modules are given the precision of the first
    return model
