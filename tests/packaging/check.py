"""Judge what `make wheel` built: the files inside, the tags, and a fresh environment that has nothing but a wheel.

python tests/packaging/check.py dist
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

NEEDED = ("Makefile", "CMakeLists.txt", "constraints.txt", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
"""What an sdist needs so that `make demo` works from it, beside the sources."""

LARGEST = 1 << 20
"""No file of a wheel is larger."""


def check_wheel(path: Path, kernels: bool) -> None:
    """Raise `AssertionError` with what is wrong with a wheel."""
    _, _, *tags = path.stem.split("-")
    assert tags[:2] == ["py3", "none"], f"{path.name}: one wheel is to serve every Python"
    assert (tags[2] != "any") == kernels, f"{path.name}: the tag says the wrong thing of the kernels"
    with zipfile.ZipFile(path) as wheel:
        names = {item.filename: item.file_size for item in wheel.infolist()}
    sources = {
        file.relative_to(ROOT / "src").as_posix() for file in (ROOT / "src/googlenet").rglob("*") if file.is_file()
    }
    wanted = {name for name in sources if not name.endswith((".cpp", ".hpp", ".so", ".pyc"))}
    package = {name for name in names if name.startswith("googlenet/")}
    assert package >= wanted, f"{path.name}: without {sorted(wanted - package)}"
    libraries = {name for name in package if name.endswith(".so")}
    assert package - wanted == libraries, f"{path.name}: with {sorted(package - wanted - libraries)}"
    assert bool(libraries) == kernels, f"{path.name}: {sorted(libraries)}"
    assert max(names.values()) <= LARGEST, max(names, key=names.__getitem__)
    others = {name for name in names.keys() - package if ".dist-info/" not in name}
    assert not others, f"{path.name}: with {sorted(others)}"


def check_sdist(path: Path) -> None:
    """Raise `AssertionError` with what an sdist lacks, or has too much."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = {name for folder in ("src", "tests", "recipes", "docs") for name in _files(ROOT / folder)}
    lacking = (set(NEEDED) | tracked) - names
    assert not lacking, f"{path.name}: without {sorted(lacking)[:5]}"
    built = {name for name in names if name.endswith((".so", ".pyc")) or name.startswith((".venv", "build/", "dist/"))}
    assert not built, f"{path.name}: with {sorted(built)[:5]}"


def _files(folder: Path) -> set[str]:
    endings = (".py", ".cpp", ".hpp", ".md", ".txt", ".html", ".css", ".json", ".toml")
    files = [file for file in folder.rglob("*") if not file.parent.name.endswith(".egg-info")]  # an older install's
    return {file.relative_to(ROOT).as_posix() for file in files if file.name.endswith(endings)}


def use_in_a_fresh_environment(wheel: Path, kernels: bool) -> None:
    """Install a wheel where there is nothing else, no compiler and no repository, and train and predict there."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "environment"
        venv.create(environment, with_pip=True)
        binaries = environment / ("Scripts" if os.name == "nt" else "bin")
        install = ["-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel]
        subprocess.run([binaries / "python", *install], check=True, cwd=folder)
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GOOGLENET"))}
        bare |= {"PATH": str(binaries), "HOME": folder}

        def call(program: str, *arguments: str) -> str:
            command = [binaries / program, *arguments]
            return subprocess.run(command, check=True, cwd=folder, env=bare, text=True, stdout=subprocess.PIPE).stdout

        call("python", "-c", PICTURES)
        level = call("python", "-c", "from googlenet import native; print(native.level())").strip()
        assert (level != "none") == kernels, f"{wheel.name}: the kernels in use are '{level}'"
        call("googlenet", "train", "data", "--network", "googlenet-tiny", "--epochs", "1", "--output", "run")
        answers = [
            call("googlenet", "predict", "run/final.safetensors", "data", "--json", "--engine", engine)
            for engine in ("torch", *["native"] * kernels)
        ]
        found = [[json.loads(line)["predictions"] for line in lines.splitlines()] for lines in answers]
        for one in found:
            assert len(one) == 8, f"{wheel.name}: {len(one)} answers"
            for ours, torchs in zip(one, found[0], strict=True):
                off = max(abs(a["probability"] - b["probability"]) for a, b in zip(ours, torchs, strict=True))
                assert off <= 1e-5, f"{wheel.name}: the engines are {off} apart"
        print(f"{wheel.name}: kernels {level}, trained and predicted", flush=True)


PICTURES = """
import pathlib, numpy, PIL.Image
for name, value in (("dark", 40), ("light", 200)):
    folder = pathlib.Path("data", name)
    folder.mkdir(parents=True)
    for number in range(4):
        pixels = numpy.random.default_rng(number).normal(value, 30, (40, 48, 3)).clip(0, 255).astype("uint8")
        PIL.Image.fromarray(pixels).save(folder / f"{number}.png")
"""
"""Data to train on, of two classes."""


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    (sdist,) = folder.glob("*.tar.gz")
    check_sdist(sdist)
    wheels = {"-any" not in wheel.name: wheel for wheel in folder.glob("*.whl")}
    assert set(wheels) == {True, False}, f"{folder}: a wheel with kernels and one without are wanted"
    for kernels, wheel in wheels.items():
        check_wheel(wheel, kernels)
        use_in_a_fresh_environment(wheel, kernels)


if __name__ == "__main__":
    main()
