"""An encoder of transformers, from a folder or by its name on the hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.extras import way_to_install
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.frozen.encoder import Encoder, Seen, Sizes
from egocurate.models.frozen.folder import find_folder, has_safe_weights, model_type, read_pixels
from egocurate.models.frozen.kinds import KINDS, Kind
from egocurate.models.weights import LoadReport, check_whole


class HubEncoder(Encoder):
    """One of `KINDS` with the weights of a folder; it gives tokens too."""

    def __init__(self, config: FrozenConfig) -> None:
        """Read the folder; raises InputError, one line, for weights that are not whole, not safe or of other shapes."""
        super().__init__()
        folder, self.kind = Path(config.source), KINDS[config.kind]
        self.sizes = sizes_of(config)
        self.model = _read(folder, self.kind)
        self.look_through(read_pixels(folder, self.kind.pixels))
        self.eval().requires_grad_(False)

    def forward(self, clips: Tensor) -> Seen:
        """Map normalized clips [B, T, 3, S, S] to tokens and embeddings, as transformers' own forward pass gives them.

        An encoder of images sees a clip frame by frame, and the clip's embedding is the mean of its frames'.
        """
        return self.kind.see(self.model, clips)

    def embed(self, clips: Tensor) -> Tensor:
        """Embed normalized clips [B, T, 3, S, S] as [B, E]."""
        return self(clips).clip

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed token ids [B, L] with their mask [B, L] as [B, E]."""
        seen = None if self.sizes.pads_texts else mask
        return self.kind.embed_texts(self.model, ids, seen)

    def encode_tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the text tower's last hidden states [B, L, W] of token ids [B, L] with their mask [B, L]."""
        seen = None if self.sizes.pads_texts else mask
        return self.model.text_model(input_ids=ids, attention_mask=seen).last_hidden_state


def frozen_config(source: str | Path) -> FrozenConfig | None:
    """Return which encoder a folder or a hub name holds, None if it is neither; InputError for one of no known kind."""
    folder = find_folder(source)
    if folder is None:
        return None
    kind = model_type(folder)
    if kind not in KINDS:
        raise InputError(f"weights {str(source)!r}: model_type {kind!r} is not known; there are {', '.join(KINDS)}")
    return FrozenConfig(str(folder), kind)


def sizes_of(config: FrozenConfig) -> Sizes:
    """Return what an encoder takes and gives, by its config.json; InputError for one that cannot be."""
    kind = KINDS[config.kind]
    _check_package(config)
    try:
        with _quiet():
            return kind.sizes(_read_config(Path(config.source), kind))
    except Exception as error:  # a broken file makes transformers raise anything
        raise InputError(f"{config.source}: its config.json is none of {config.kind} ({error})") from error


def _check_package(config: FrozenConfig) -> None:
    """Raise InputError if a package that the encoder is made with is not here, or not fit for this torch."""
    needs = KINDS[config.kind].needs
    try:
        if needs:
            import_module(needs)
    except Exception as error:  # timm's torchvision, where it was made for another torch, raises anything
        raise InputError(
            f"weights {config.source!r}: {config.kind} is made with {needs}, which cannot be imported ({error}): "
            f"{way_to_install(needs)}, with the torchvision that was made for this torch"
        ) from error


def _read_config(folder: Path, kind: Kind) -> Any:  # noqa: ANN401 (any of transformers)
    of = getattr(transformers, kind.within) if kind.within else getattr(transformers, kind.model).config_class
    read = of.from_pretrained(folder, local_files_only=True)
    return read.video_config if kind.within else read


def _read(folder: Path, kind: Kind) -> nn.Module:
    """Return a model of transformers with a folder's weights in float32; its code and its pickles are not read."""
    if not has_safe_weights(folder):
        raise InputError(
            f"weights {str(folder)!r}: no model.safetensors; pickled weights (.bin) of a folder are not read: where "
            "you trust them, load them with transformers and save_pretrained them anew"
        )
    try:
        with _quiet():
            found, report = getattr(transformers, kind.model).from_pretrained(
                folder,
                config=_read_config(folder, kind),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # a broken file makes transformers and safetensors raise anything
        raise InputError(f"weights {str(folder)!r}: cannot be read as {kind.model} ({error})") from error
    loaded = found.state_dict().keys() - report["missing_keys"]
    check_whole(LoadReport(sorted(loaded), sorted(report["missing_keys"]), []), str(folder), kind.model)
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from printing bars, tables and faults of its docstrings: what is wrong is said in one line."""
    logging = transformers.utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
