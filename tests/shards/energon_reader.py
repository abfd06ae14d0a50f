"""Read a prepared folder with megatron-energon; prints each sample's key, json and the CRC-32 of its other members."""

import json
import sys
import zlib

from megatron.energon import Cooker, DefaultTaskEncoder, WorkerConfig, get_loader, get_train_dataset, stateless


@stateless
def as_it_is(sample: dict) -> dict:
    return sample


class Reader(DefaultTaskEncoder):
    cookers = (Cooker(as_it_is),)
    decoder = None

    def encode_sample(self, sample: dict) -> dict:
        return sample


dataset = get_train_dataset(
    sys.argv[1],
    worker_config=WorkerConfig(rank=0, world_size=1, num_workers=0),
    batch_size=None,
    shuffle_buffer_size=None,
    max_samples_per_sequence=None,
    parallel_shard_iters=1,
    repeat=False,
    task_encoder=Reader(),
)
for sample in get_loader(dataset):
    members = {name: data for name, data in sample.items() if isinstance(data, bytes)}
    row = {"key": sample["__key__"], "json": json.loads(members.pop("json"))}
    print(json.dumps(row | {"crc32": {name: zlib.crc32(data) for name, data in members.items()}}))
