"""Make the pack on a machine with a network: clips and wheels in a folder: `python -m benchmarks.gpu.pack --to FOLDER`.

FOLDER travels with the repository to the machine with the GPU (README.md beside this file).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.data import FULL, write_data
from benchmarks.gpu.driver import ROOT
from benchmarks.gpu.setup import PACK
from egocurate.errors import InputError

WHEELS = ("av", "universal-pathlib", "pathlib-abc", "simplejpeg")
"""What a machine with torch, transformers, pandas, pyarrow and the like lacks; none of them is needed by another."""
PYTHON, PLATFORMS = "3.12", ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "any")
MOST_BYTES = 60 * 2**20


def download_wheels(out: Path, packages: Sequence[str], python: str) -> None:
    """Bring one wheel of each package into `out`, without what it needs; raises InputError for one that is not had."""
    out.mkdir(parents=True, exist_ok=True)
    for package in packages:
        if any(out.glob(f"{package.partition('==')[0].replace('-', '_')}-*.whl")):
            continue
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--python-version", python, "--implementation", "cp", "--dest", str(out)]
        command += ["--constraint", str(ROOT / "constraints.txt")]
        command += [word for platform in PLATFORMS for word in ("--platform", platform)]
        done = subprocess.run([*command, package], capture_output=True, text=True, check=False)
        if done.returncode:
            reason = done.stderr.strip().rpartition("\n")[2]
            raise InputError(f"wheel {package!r} for Python {python}: {reason}")


def sizes(pack: Path) -> dict[str, int]:
    """Return bytes of the repository's files and of each folder of the pack."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    found = {"repository": sum(path.lstat().st_size for path in files if path.is_symlink() or path.is_file())}
    for folder in sorted(path for path in pack.iterdir() if path.is_dir()):
        found[folder.name] = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return found


def main() -> None:
    """Make the pack and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--to", type=Path, default=PACK, help=f"folder of the pack (default {PACK})")
    parser.add_argument("--python", default=PYTHON, help=f"Python there (default {PYTHON})")
    parser.add_argument("--also", action="append", default=[], metavar="PACKAGE", help="another wheel to bring")
    given = parser.parse_args()
    try:
        download_wheels(given.to / "wheels", [*WHEELS, *given.also], given.python)
        if not (given.to / "pack.json").exists():
            with tempfile.TemporaryDirectory() as scratch:
                write_data(given.to, FULL, Path(scratch))
        total = 0
        for name, size in sizes(given.to).items():
            print(f"{name:<16}{size / 2**20:8.1f} MiB")
            total += size
        print(f"{'in all':<16}{total / 2**20:8.1f} MiB")
        if total > MOST_BYTES:
            raise InputError(f"{given.to}: more than {MOST_BYTES / 2**20:.0f} MiB in all; leave out some of --also")
    except InputError as error:
        sys.exit(f"benchmarks.gpu.pack: {error}")


if __name__ == "__main__":
    main()
