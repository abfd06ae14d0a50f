"""Blocks of the pages that no test runs as they stand are at least what they claim to be: shell, and YAML."""

import shlex
import subprocess

import pytest
import yaml

from tests.docs.pages import Snippet, blocks

SHELL = [pytest.param(block, id=block.place) for block in blocks("bash")]
YAML = [pytest.param(block, id=block.place) for block in blocks("yaml")]


@pytest.mark.parametrize("block", SHELL)
def test_a_shell_reads_it(block: Snippet):
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", YAML)
def test_kubernetes_can_read_it(block: Snippet):
    for document in yaml.safe_load_all(block.text):
        assert document["apiVersion"] and document["kind"] and document["metadata"]["name"]


@pytest.mark.slow
def test_a_ray_job_runs_on_the_ray_cluster_beside_it(world):
    cluster, job = (one for block in blocks("yaml") for one in yaml.safe_load_all(block.text))
    assert (cluster["kind"], job["kind"]) == ("RayCluster", "RayJob")
    name = cluster["metadata"]["name"]
    assert job["spec"]["clusterSelector"] == {"ray.io/cluster": name}
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        [container] = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    program, *words, option, address = shlex.split(job["spec"]["entrypoint"])
    assert (program, option, address) == ("curate", "--ray-address", f"{name}-head-svc:6379")
    assert world.curate(shlex.join(words)) == 0
