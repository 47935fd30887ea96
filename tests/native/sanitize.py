"""Run the kernels over random shapes under AddressSanitizer and UndefinedBehaviorSanitizer.

    python tests/native/sanitize.py [--rounds 5000] [--seed 0] [--level avx2]

Every set of instructions that the processor runs has its turn, or the one that is named.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src" / "googlenet" / "native"

INSTRUCTIONS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl"],
}
"""As in CMakeLists.txt."""

KERNELS = ["area_interpolation", "local_response_norm", "max_pool", "resampling", "segmentation", "selective_search"]
"""The files beside `inference`, which fuzz.cpp includes."""

FLAGS = ["-std=c++17", "-O0", "-g1", "-fno-math-errno", "-Wno-psabi", "-pthread"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


def compiler() -> str | None:
    """Return a compiler that has the sanitizers, if there is one."""
    for name in filter(None, [os.environ.get("CXX"), "c++", "g++", "clang++"]):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "program"
            command = [name, "-x", "c++", "-", *SANITIZERS, "-o", str(program)]
            if (
                shutil.which(name)
                and not subprocess.run(command, input=b"int main() {}", capture_output=True).returncode
            ):
                return name
    return None


def fuzz(level: str, rounds: int, seed: int) -> str:
    """Compile and run the fuzzer; return its last line, raise `CalledProcessError` with what a sanitizer says."""
    found = compiler()
    assert found is not None
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "fuzz"
        kernels = [SOURCES / f"{name}.cpp" for name in KERNELS]
        files = [Path(__file__).with_name("fuzz.cpp"), *kernels]
        command = [
            found,
            *FLAGS,
            *SANITIZERS,
            *INSTRUCTIONS[level],
            f"-I{SOURCES}",
            *map(str, files),
            "-o",
            str(program),
        ]
        subprocess.run(command, check=True, capture_output=True, text=True)
        done = subprocess.run([program, str(rounds), str(seed)], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> None:
    from googlenet import native

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--level", choices=INSTRUCTIONS)
    options = parser.parse_args()
    if compiler() is None:
        sys.exit("no compiler here has AddressSanitizer and UndefinedBehaviorSanitizer")
    for level in [options.level] if options.level else native.levels():
        try:
            print(f"{level}: {fuzz(level, options.rounds, options.seed)}", flush=True)
        except subprocess.CalledProcessError as error:
            sys.exit(f"{level}: {error}\n{error.stdout}{error.stderr}")


if __name__ == "__main__":
    main()
