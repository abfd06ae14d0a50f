"""VideoPrism's video-text model: both towers, from pixels and texts, against the code in flax."""

from __future__ import annotations

import io
import types
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sentencepiece import SentencePieceTrainer

from benchmarks.parity import ours
from benchmarks.parity.inputs import TEXTS, clips
from benchmarks.parity.rows import Row, largest
from benchmarks.parity.trees import Tree, opened

TREE = Tree("VIDEOPRISM_TREE", "google-deepmind/videoprism")


def videoprism() -> Iterator[Row]:
    """Compare LvT-B, which is made for 16 frames of 288 pixels."""
    with TemporaryDirectory() as scratch, opened(TREE, ("tensorflow", "huggingface_hub")):
        import jax
        from flax.traverse_util import flatten_dict, unflatten_dict
        from videoprism import models, tokenizers

        tokenizers.gfile = types.SimpleNamespace(GFile=Path.open)
        tokenizer = _sentencepiece(Path(scratch) / "sentencepiece.model")
        theirs = models.videoprism_lvt_v1_base()
        shown = clips(16, size=288)
        pixels = shown.permute(0, 1, 3, 4, 2).numpy().astype(np.float32) / 255
        ids, paddings = models.tokenize_texts(tokenizers.SentencePieceTokenizer(tokenizer), TEXTS)

        shapes = jax.eval_shape(theirs.init, jax.random.key(0), pixels[:1], ids, paddings)
        draw = np.random.default_rng(0)
        state = {
            name: (draw.standard_normal(leaf.shape) * 0.05).astype(np.float32)
            for name, leaf in flatten_dict(shapes, sep="/").items()
        }
        weights = Path(scratch) / "released.npz"
        np.savez(weights, **state)
        model = ours.load(weights, f"tokenizer={tokenizer}")
        video, text, _ = theirs.apply(unflatten_dict(state, sep="/"), pixels, ids, paddings)
        found = model.embed_frames(shown), model.embed_text(TEXTS)
        yield Row("VideoPrism LvT-B: clips", TREE.title, 16, largest(found[0], np.asarray(video)))
        yield Row("VideoPrism LvT-B: texts", TREE.title, 0, largest(found[1], np.asarray(text)))


def _sentencepiece(path: Path) -> Path:
    """Write a SentencePiece model made from the texts."""
    made = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([text.lower() for text in TEXTS] * 5),
        model_writer=made,
        vocab_size=60,
        hard_vocab_limit=False,
        bos_id=-1,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        minloglevel=2,
    )
    path.write_bytes(made.getvalue())
    return path
