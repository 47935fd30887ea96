"""What a user's type checker knows of the package."""

import os
import subprocess
import sys
from pathlib import Path

import googlenet

USER = """
import googlenet
from googlenet import Recipe, SGD, create, train

def body() -> None:
    network: googlenet.Network = create("googlenet", classes=5, size=(320, 256))
    names: list[str] = googlenet.list_networks()
    million: float = googlenet.cost(network.specification).multiply_adds / 1e6
    model = googlenet.load("weights.safetensors")
    for answer in model.predict(["dog.jpg"], top=3):
        if isinstance(answer, googlenet.Answer):
            share: float = answer.best.probability
    checkpoint, report = googlenet.import_weights("weights.pth")
    warnings: tuple[str, ...] = report.warnings
    train("flowers", Recipe(epochs=3), output="run")
"""

WRONG = {
    "googlenet.lod('weights')": 'Module has no attribute "lod"',
    "googlenet.create(clases=3)": 'Unexpected keyword argument "clases" for "create"',
    "googlenet.create(size=3)": 'Argument "size" to "create" has incompatible type "int"',
    "googlenet.Recipe(epoch=3)": 'Unexpected keyword argument "epoch" for "Recipe"',
    "googlenet.load('weights').predikt([])": '"Model" has no attribute "predikt"',
}


CONFIGURATION = """
[mypy]
strict = true
follow_imports = silent
[mypy-torch.*,numpy.*,scipy.*,PIL.*,matplotlib.*,cv2.*,rich.*,tyro.*,jinja2.*,safetensors.*,onnx.*]
follow_imports = skip
ignore_missing_imports = true
"""
"""Without the libraries below the package, which take a minute to read and are not what is asked about."""


def test_a_type_checker_knows_every_public_name_and_refuses_others(tmp_path: Path) -> None:
    names = "".join(f"googlenet.{name}\n" for name in googlenet.__all__)
    (tmp_path / "user.py").write_text(f"{USER}\n{names}")
    (tmp_path / "wrong.py").write_text("import googlenet\n" + "".join(f"{line}\n" for line in WRONG))
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "user.py", "wrong.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(Path(googlenet.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("user.py")] == []
    for number, (line, complaint) in enumerate(WRONG.items(), start=2):
        assert any(found.startswith(f"wrong.py:{number}: error: {complaint}") for found in lines), (line, done.stdout)


def test_listing_the_networks_imports_no_torch() -> None:
    program = "import sys, googlenet; googlenet.list_networks(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
