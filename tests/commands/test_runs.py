"""What commands of long work have in common: no run lies in its own data, and it is said how one goes on."""

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


def test_how_work_goes_on_is_how_it_was_started(capsys, monkeypatch):
    from googlenet.commands.runs import stopped
    from googlenet.errors import BrokenOff

    monkeypatch.setattr("sys.argv", ["googlenet", "train", "my data"])
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.delenv("TORCHELASTIC_ERROR_FILE", raising=False)
    assert stopped(KeyboardInterrupt()) == 130
    assert stopped(BrokenOff("disk full"), goes_on=False) == 1
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert stopped(KeyboardInterrupt("stopped after step 3")) == 130
    assert capsys.readouterr().err.splitlines() == [
        "googlenet: interrupted; go on with: googlenet train 'my data'",
        "googlenet: disk full",
        "googlenet: stopped after step 3; give torchrun the same command again to go on",
    ]
