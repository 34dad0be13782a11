"""A Qwen3-Embedding of 170,000 random parameters, as a folder laid out like those on the hub.

Its vectors mean nothing, but everything around them is the real thing: transformers' own Qwen3, a byte-level BPE
tokenizer whose template appends ``<|endoftext|>``, last-token pooling, left padding and a 32K context.
"""

import json
from pathlib import Path

END = "<|endoftext|>"
DIM = 64
#: What the tokenizer is trained on; bytes that it has not seen stay bytes, so it can read any text.
SENTENCES = [
    "Instruct: Given a web search query, retrieve relevant passages that answer the query",
    "Query:What is the capital of China? The capital of China is Beijing.",
    "Identify the topic of the text. Classify the sentiment of the text.",
    "Gravity is a force that attracts two bodies towards each other.",
    "def main() -> None:\n    print('hello')\n",
    "Das Wetter ist heute schön, und morgen wird es regnen.",
]
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
POOLING = {
    "word_embedding_dimension": DIM,
    "pooling_mode_cls_token": False,
    "pooling_mode_mean_tokens": False,
    "pooling_mode_max_tokens": False,
    "pooling_mode_mean_sqrt_len_tokens": False,
    "pooling_mode_weightedmean_tokens": False,
    "pooling_mode_lasttoken": True,
    "include_prompt": True,
}
PROMPTS = {
    "prompts": {
        "query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
        "document": "",
    },
    "default_prompt_name": None,
    "similarity_fn_name": "cosine",
}


def build_tiny_qwen3(folder: Path, *, max_shard_size: str = "5GB") -> Path:
    """Write the model into ``folder``, with weights in bfloat16 as Qwen publishes them, and return ``folder``."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    end = tokenizer.token_to_id(END)
    byte_level = processors.ByteLevel(trim_offsets=False)
    template = processors.TemplateProcessing(single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, end)])
    tokenizer.post_processor = processors.Sequence([byte_level, template])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, padding_side="left", model_max_length=131072
    ).save_pretrained(folder)

    config = Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=DIM,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=32768,
        rope_theta=1_000_000,
        initializer_range=0.2,
        bos_token_id=end,
        eos_token_id=end,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen3Model(config)
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size=max_shard_size)

    files = {"modules.json": MODULES, "1_Pooling/config.json": POOLING, "config_sentence_transformers.json": PROMPTS}
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder
