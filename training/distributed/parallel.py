"""One model on many ranks, and in less memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint
from transformers.models.distilbert.modeling_distilbert import TransformerBlock

from egocurate.errors import InputError
from egocurate.models.layers import transformer, video_tower
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks

BLOCKS = (video_tower.DividedBlock, video_tower.JointBlock, transformer.TransformerBlock, TransformerBlock)
"""The layers that towers are stacks of; not RoBERTa's, whose parts its tower calls one by one."""
METHODS = ("encode_video", "encode_text", "match_options", "lower_tokens", "dual", "words_loss", "matching_loss")
"""Methods of a model that are called beside its forward."""


def wrap_for_ranks(model: nn.Module, config: TrainConfig, ranks: Ranks) -> nn.Module:
    """Return the model as the loop runs it: compiled if asked for, its gradients averaged over ranks.

    The model's parameters keep their names. With "fsdp" each rank keeps a part of each parameter, of its gradient and
    of its optimizer state. Raises InputError for an optimizer that cannot work on parts.
    """
    if config.activation_checkpointing:
        _recompute(model)
    if ranks.size > 1 and config.parallel == "fsdp":
        return _sharded(model, config, ranks)
    network: nn.Module = _compiled(model) if config.compile else model
    return DistributedDataParallel(network) if ranks.size > 1 else network


@contextmanager
def recomputed_blocks(model: nn.Module) -> Iterator[list[nn.Module]]:
    """Have the layers that `BLOCKS` names, which this gives, worked out again for the time of a block."""
    blocks = _recompute(model)
    try:
        yield blocks
    finally:
        for block in blocks:
            del block.forward  # the instance's; the class's is there again


def _blocks(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, BLOCKS)]


def _recompute(model: nn.Module) -> list[nn.Module]:
    blocks = _blocks(model)
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    return blocks


def _compiled(model: nn.Module) -> nn.Module:
    """Return the model compiled: those of its methods that are graphs, where it names them, else all of it."""
    graphs = getattr(model, "graphs", ())
    for name in graphs:
        setattr(model, name, torch.compile(getattr(model, name)))
    return model if graphs else torch.compile(model)


def _sharded(model: nn.Module, config: TrainConfig, ranks: Ranks) -> nn.Module:
    if config.optimizer.kind == "adafactor":  # it takes means over rows and columns, of which PyTorch's needs all
        raise InputError("Adafactor cannot step on parts of matrices: take parallel=ddp, or optimizer.kind=adamw")
    shards = {"mesh": init_device_mesh(ranks.device.type, (ranks.size,)), "mp_policy": _precision(ranks)}
    for block in _blocks(model):
        if config.compile:  # block by block, because fetching the next block's parts cannot be compiled
            block.compile()
        fully_shard(block, **shards)
    fully_shard(model, **shards)
    for name in METHODS:
        if hasattr(model, name):
            register_fsdp_forward_method(model, name)
    return model


def _precision(ranks: Ranks) -> MixedPrecisionPolicy:
    """Return what travels: parameters in the towers' precision, half the bytes in bf16; gradients in float32.

    Inputs are left as they are: autocast says what is worked out in which precision.
    """
    if not ranks.bf16:
        return MixedPrecisionPolicy()
    return MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)


@contextmanager
def unsharded(model: nn.Module) -> Iterator[None]:
    """Have all of a sharded model on every rank for the time of a block; every rank calls this.

    Inside, each rank may run the model as often as it has work. Outside, all must run it equally often, because they
    fetch each other's parts.
    """
    sharded = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for module in sharded:
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    try:
        yield
    finally:
        for module in sharded:
            module.reshard()
            module.set_reshard_after_forward(module is not model, recurse=False)
