"""The course's own instruction-aware model: frozen MiniLM and a small head that reads the instruction on its own.

The instruction is not put in front of the text. MiniLM embeds it once, and a head of a few hundred thousand weights
turns that vector into gates for a low-rank change of the text's vector. Without an instruction the head is left out, so
these vectors are MiniLM's, byte for byte. It follows the kinds of instruction it was taught (see the model card beside
its weights) and no others: a stand-in for learning with, not a rival of models trained to follow any instruction.

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

    With x the mean token vectors of some layers (standardised), v the text's own unit vector and e the instruction's:
    a = tanh(A x) holds what may be read from the text, g = sigmoid(G h(e)) which of it matters, and s, a number from 0
    to 1 made from h(e), how much to change: the result has the direction of (1 − s) v + s · unit(unit(B (a ∘ g)) + c v).

    Parameters
    ----------
    layers : hidden layers that are read; 0 is the token embeddings.
    dim : dimensions of a vector.
    rank : features that are read from a text (rows of A, columns of B).
    hidden : width of h.
    """

    config_keys = ["layers", "dim", "rank", "hidden"]

    def __init__(self, layers: list[int], dim: int = 384, rank: int = 96, hidden: int = 64):
        super().__init__()
        self.layers, self.dim, self.rank, self.hidden = list(layers), dim, rank, hidden
        width = dim * len(layers)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.read = nn.Linear(width, rank)
        self.instruction = nn.Linear(dim, hidden)
        self.gate = nn.Linear(hidden, rank)
        self.strength = nn.Linear(hidden, 1)
        self.write = nn.Linear(rank, dim, bias=False)
        self.keep = nn.Parameter(torch.tensor(-1.5))  # c, before its sigmoid

    def forward(self, features: dict, **kwargs) -> dict:
        """Replace ``sentence_embedding`` where there is an ``instruction_embedding``."""
        instruction = features.get("instruction_embedding")
        if instruction is not None:
            own = features["sentence_embedding"]
            moved, _ = self.steer(self.layer_means(features), normalize(own.float(), dim=-1), instruction)
            features["sentence_embedding"] = moved.to(own.dtype)
        return features

    def layer_means(self, features: dict) -> Tensor:
        """Mean token vector of each layer that is read, side by side: shape (n, dim · number of layers)."""
        mask = features["attention_mask"].unsqueeze(-1).float()
        hidden = features["all_layer_embeddings"]
        return torch.cat([(hidden[i].float() * mask).sum(dim=1) / mask.sum(dim=1) for i in self.layers], dim=-1)

    def steer(self, means: Tensor, own: Tensor, instruction: Tensor, noise: float = 0.0) -> tuple[Tensor, Tensor]:
        """Compute the moved unit vectors (n, dim) and the logits (n, 1) of the strength of the change.

        Parameters
        ----------
        means : layer means of the texts, shape (n, width).
        own : the texts' own unit vectors, shape (n, dim).
        instruction : unit vectors of their instructions, shape (n, dim) or (1, dim).
        noise : share of the means that is dropped in training.
        """
        h = gelu(self.instruction(instruction))
        logit = self.strength(h)
        # stretched, so that it reaches 0: what is not to be followed leaves the vectors exactly where they are
        s = (1.3 * torch.sigmoid(logit) - 0.15).clamp(0, 1)
        read = torch.tanh(self.read(dropout((means - self.mean) / self.scale, noise, self.training)))
        change = normalize(self.write(read * torch.sigmoid(self.gate(h))), dim=-1)
        target = normalize(change + torch.sigmoid(self.keep) * own, dim=-1)
        return normalize((1 - s) * own + s * target, dim=-1), logit

    def save(self, output_path: str, *args, safe_serialization: bool = True, **kwargs) -> None:
        """Write ``config.json`` and ``model.safetensors``."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, **kwargs) -> "GatedHead":
        """Read a saved head."""
        where = {key: kwargs[key] for key in ("subfolder", "token", "cache_folder", "revision", "local_files_only")
                 if key in kwargs}  # fmt: skip
        head = cls(**cls.load_config(model_name_or_path, **where))
        return cls.load_torch_weights(model_name_or_path, model=head, **where)


def load_instruct_model(base: Path, dtype: str = "float32", head: GatedHead | None = None) -> SentenceTransformer:
    """Put the head behind MiniLM: a SentenceTransformer whose ``prompt`` is the instruction.

    Its ``save_pretrained`` writes an ordinary sentence-transformers folder; see the module's first lines on loading it.

    Parameters
    ----------
    base : MiniLM's folder.
    dtype : precision of MiniLM, ``"float32"`` or ``"bfloat16"``; the head computes in float32.
    head : None for the one that comes with the course.
    """
    head = GatedHead.load(str(HEAD), local_files_only=True) if head is None else head
    encoder = InstructionTransformer.load(
        str(base), local_files_only=True, model_kwargs={"dtype": dtype}, config_kwargs={"output_hidden_states": True}
    )
    pooling = Pooling.load(str(base), subfolder="1_Pooling", local_files_only=True)
    return SentenceTransformer(modules=[encoder, pooling, head.eval(), Normalize()])
