"""What commands of long work have in common: no run lies in its own data."""

import pytest

from googlenet.__main__ import main


@pytest.mark.parametrize("command", ["train", "detector train", "detector train-multibox"])
@pytest.mark.parametrize("output", ["data", "data/.", "data/a/run", "held out", "link/run"])
def test_a_run_in_its_data_is_refused(weights, tmp_path, capsys, command, output):
    from googlenet.commands.runs import expect_apart
    from googlenet.errors import InputError

    for place in ("data/ImageSets/Main", "data/Annotations", "data/JPEGImages", "data/a", "held out/b"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data/a")
    data, held_out, folder = (str(tmp_path / name) for name in ("data", "held out", output))
    with pytest.raises(InputError, match="lies in the data"):
        expect_apart(folder, data, held_out)
    expect_apart(str(tmp_path / "runs/a"), data, held_out, None, "digits")
    if output == "data":
        before = sorted(tmp_path.rglob("*"))
        assert main([*command.split(), data, "-o", folder, "--pretrained", str(weights)]) == 2
        out, err = capsys.readouterr()
        assert (out, err) == ("", f"googlenet: {folder}: lies in the data, {data}; give an output folder elsewhere\n")
        assert sorted(tmp_path.rglob("*")) == before
