"""Two nodes that meet by torchrun's c10d rendezvous, as two agents of this machine; one of them goes."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from egocurate.commands.curate import main
from egocurate.descendants import descendants, kill
from tests.processes import wait_until
from tests.training.runs import rows

ROOT = Path(__file__).parents[3]
STEPS = 16
# Dropout draws by rank. Checkpoints at every second step, so that there is one long before the end.
SETTINGS = (
    *("device=cpu", "batch_size=4", f"max_steps={STEPS}", "model.text.dropout=0"),
    *("data.workers=0", "log_every=1", "checkpoint_every=2"),
)


def arguments(data, out):
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    return ["egovlp-tiny", "--shards", str(data / "shards"), "--out", str(out), *settings]


def losses(out):
    """(step, loss) of every line, those that a resumed run has written again but once."""
    return sorted({int(step): loss for step, loss in rows(out, "step", "loss")}.items())


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    """The losses of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments(data, out)])
    assert ended.value.code == 0
    found = losses(out)
    assert [step for step, _ in found] == list(range(1, STEPS + 1))
    return found


class Nodes:
    """Agents of torchrun, each with one rank, in the order in which they were started."""

    def __init__(self, folder):
        self.folder, self.agents = folder, []

    def start(self, count, words):
        """Start the same line so many times; the first agent has the store by which they meet."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for _ in range(count):
            options = ["--nnodes", str(count), "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
            options += ["--rdzv-endpoint", f"127.0.0.1:{self.port}"]
            with (self.folder / f"node-{len(self.agents)}.log").open("w") as log:
                agent = subprocess.Popen(
                    [sys.executable, "-m", "torch.distributed.run", *options, "-m", "egocurate.train", *words],
                    cwd=ROOT,
                    env=os.environ | {"OMP_NUM_THREADS": "1"},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            self.agents.append(agent)
            wait_until(self.meets)

    def meets(self):
        """Tell whether an agent listens, which is then the one that was started first."""
        with suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def lose(self, number):
        """End a node as if its power were cut: the agent and its rank at once."""
        kill([self.agents[number].pid, *descendants([self.agents[number].pid])])
        self.agents[number].wait()

    def log(self, number):
        return (self.folder / f"node-{number}.log").read_text()

    def close(self):
        for agent in self.agents:
            kill([agent.pid, *descendants([agent.pid])])
            agent.wait()


@pytest.fixture
def nodes(tmp_path):
    started = Nodes(tmp_path)
    yield started
    started.close()


def close_to(expected):
    return [(step, pytest.approx(loss, rel=1e-4)) for step, loss in expected]


@pytest.mark.slow
def test_two_nodes_learn_what_one_process_does(nodes, data, expected, tmp_path):
    nodes.start(2, arguments(data, tmp_path / "run"))
    assert [agent.wait(120) for agent in nodes.agents] == [0, 0], nodes.log(0) + nodes.log(1)
    assert sum(f"{STEPS} steps on 2 x cpu" in nodes.log(number) for number in range(2)) == 1
    assert losses(tmp_path / "run") == close_to(expected)


@pytest.mark.parametrize("lost", [0, 1], ids=["the one with the store", "the other one"])
@pytest.mark.slow
def test_a_lost_node_is_one_line_and_the_other_goes_on_alone(nodes, data, expected, tmp_path, lost):
    out = tmp_path / "run"
    nodes.start(2, arguments(data, out))
    wait_until((out / "checkpoints" / "step-00000002").exists)
    nodes.lose(lost)
    assert nodes.agents[1 - lost].wait(120) != 0
    said = [line for line in nodes.log(1 - lost).splitlines() if line.startswith("curate")]
    assert len(said) == 1 and "--resume" in said[0], nodes.log(1 - lost)
    assert not (out / "result.json").exists()
    nodes.start(1, [*arguments(data, out), "--resume"])
    assert nodes.agents[2].wait(120) == 0, nodes.log(2)
    assert "on 1 x cpu" in nodes.log(2)
    assert losses(out) == close_to(expected)
