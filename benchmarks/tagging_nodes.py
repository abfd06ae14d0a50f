"""Tagging on a Ray cluster of one node, then of two: `python -m benchmarks.tagging_nodes --root R --out O`.

R is a folder of benchmarks.full_size_root. Each node is a raylet of this machine with one core, so that two of them are
two halves of a machine with two cores; `curate egoclip --tables-only` runs as a user would run it on the cluster.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.record import figure, write_record

_OBJECT_STORE_BYTES = 500_000_000
_ENVIRONMENT = os.environ | {"RAY_AUTH_MODE": "token", "RAY_DEDUP_LOGS": "0"}
_WALL = "tables by {} of one core each, wall time"


@contextmanager
def cluster_of(nodes: int) -> Iterator[str]:
    """Start raylets of one core each on this machine, and give the address of the first."""
    ray = Path(sys.executable).with_name("ray")
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    # Ray's sockets lie there, and their paths must be short.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    head = ("--head", "--port", str(port), "--temp-dir", folder, "--include-dashboard=false")
    others = ("--address", f"127.0.0.1:{port}")
    limits = ("--num-cpus", "1", "--object-store-memory", str(_OBJECT_STORE_BYTES), "--disable-usage-stats")
    with ExitStack() as nodes_up:
        nodes_up.callback(shutil.rmtree, folder, ignore_errors=True)
        for options in (head, *[others] * (nodes - 1)):
            command = [ray, "start", "--block", *options, *limits]
            node = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=_ENVIRONMENT
            )
            nodes_up.callback(_end, node)
            for line in node.stdout or ():
                if "Ray runtime started" in line:
                    break
        yield f"127.0.0.1:{port}"


def _end(node: subprocess.Popen) -> None:
    """Tell a node to end its services, which `ray start --block` does when it is told."""
    node.terminate()
    node.communicate()


def wall_seconds(root: Path, out: Path, nodes: int) -> float:
    """Return the seconds in which a cluster of so many nodes makes the tables of `root` in `out`, which goes again."""
    given = ("--ego4d-root", str(root), "--out", str(out), "--tables-only", "--json")
    with cluster_of(nodes) as address:
        began = time.perf_counter()
        command = [sys.executable, "-m", "egocurate", "egoclip", *given, "--ray-address", address]
        subprocess.run(command, check=True, capture_output=True, env=_ENVIRONMENT)
        seconds = time.perf_counter() - began
    shutil.rmtree(out)
    return seconds


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    one, two = (wall_seconds(given.root, given.out, nodes) for nodes in (1, 2))
    figures = [
        figure(_WALL.format("one node"), one, "s"),
        figure(_WALL.format("two nodes"), two, "s"),
        figure("one node's time over two nodes'", one / two, "x"),
    ]
    write_record("tagging_nodes", figures)


if __name__ == "__main__":
    main()
