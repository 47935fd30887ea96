"""The command line as a whole: help, exit statuses, one line for every mistake."""

import json
import logging
import os
import resource
import subprocess
import sys

import pytest

from googlenet.__main__ import COMMANDS, main


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_names_every_command(arguments, capsys):
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert all(f"  {command} " in out for command in COMMANDS)


def test_nothing_is_help_and_status_2(capsys):
    assert main([]) == 2
    assert capsys.readouterr().out.startswith("usage: googlenet COMMAND")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: googlenet {command}" in capsys.readouterr().out


def test_the_commands_of_a_word_are_listed(capsys):
    assert main(["detector", "--help"]) == 0
    out = capsys.readouterr().out
    assert "  detector train-multibox  boxes around" in out
    assert "summary" not in out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["paint"], "'paint' is no command; there are summary, "),
        (["pedict"], "'pedict' is no command; do you mean predict?"),
        (["detector", "trian", "voc"], "'detector trian' is no command; do you mean detector train?"),
        (["detector", "fly"], "'detector fly' is no command; there are detector train, detector ensemble, "),
        (["detector"], "'detector' is no command; there are detector train, "),
        (["detect"], "detect needs DETECTOR; see googlenet detect --help"),
        (["detector", "train", "voc"], "detector train needs --output and --pretrained; see googlenet detector train"),
        (["train", "x", "-o", "y", "--averaging", "some"], "'some' for argument '--averaging'; give one of "),
        (["detect", "x", "y", "--least-score", "2"], "--least-score 2.0: give a number from 0 to 1; see googlenet"),
        (["propose", "x", "--source", "selective-search:fsat"], "--source selective-search:fsat: version"),
        (["detector", "train", "x", "-oy", "--pretrained=z", "--multibox.rate=0"], "--multibox.rate 0.0: give"),
        (["summary", "resnet"], "network 'resnet' is not known; there are googlenet, "),
        (["summary", "--tpo", "3"], "Unrecognized options: --tpo"),
        (["summary", "--width", "wide"], "Error parsing --width"),
        (["summary", "--batch", "0"], "--batch must be at least 1"),
        (["summary", "nowhere.json"], "nowhere.json: cannot be read"),
        (["predict"], "WEIGHTS"),
        (["predict", "nowhere.safetensors", __file__], "nowhere.safetensors: no such file"),
        (["import", "nowhere.caffemodel", "-o", "out"], "nowhere.caffemodel: "),
        (["import", "nowhere.caffemodel"], "-o"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, complaint, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("googlenet: ")
    assert complaint in err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_does_not_wait_for_torch(command):
    program = f"""
import sys
from googlenet.__main__ import main
try:
    main({[*command.split(), "--help"]!r})
except SystemExit:
    sys.exit("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "googlenet", *arguments], capture_output=True, text=True, check=False, **options
    )


def test_version_names_libraries_and_machine():
    done = run("--version")
    assert done.returncode == 0
    assert "torch 2." in done.stdout
    assert "cores" in done.stdout


FULL = [*([*command.split(), "--help"] for command in COMMANDS), ["--help"], ["--version"], ["summary", "list"]]


@pytest.mark.parametrize("arguments", [*FULL, ["summary", "--json"]], ids=" ".join)
def test_a_full_output_is_one_line_and_a_status(arguments):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "googlenet", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.stderr == "googlenet: standard output cannot be written (No space left on device)\n"
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("command", "complaint", "status"),
    [
        ("PYTHONUNBUFFERED=1 {} summary > /dev/full", "standard output cannot be written (No space left on device)", 1),
        ("{} summary >&-", "standard output is closed; give it somewhere to go", 2),
        ("{} summary nowhere.json > /dev/full", "nowhere.json: cannot be read", 2),
    ],
)
def test_an_output_that_fails_at_once_or_is_closed(command, complaint, status):
    shell = command.format(f"{sys.executable} -m googlenet")
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f"googlenet: {complaint}")
    assert done.stderr.count("\n") == 1
    assert done.returncode == status


def test_a_closed_pipe_is_no_traceback():
    command = f"{sys.executable} -m googlenet summary | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("googlenet, input")
    assert done.stderr == ""


def test_the_summary_loads_what_it_prints_with_and_nothing_else():
    """Half a second on an idle core; loading torch alone takes two, numpy or matplotlib much of one."""
    program = """
import json, sys
import tyro, rich.console, rich.table, rich.text
loaded = set(sys.modules)
from googlenet.__main__ import main
main(["summary"])
names = {name.partition(".")[0] for name in set(sys.modules) - loaded}
print(json.dumps(sorted(names - sys.stdlib_module_names - {"googlenet", "rich", "tyro"})), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("googlenet, input")
    assert json.loads(done.stderr) == []


def processor_seconds(program: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_summary_takes_little_more_than_its_libraries():
    """1.7 times; in seconds alone, a core that others share would judge itself."""
    libraries = "import tyro, rich.console, rich.table"
    summary = "from googlenet.__main__ import main; main(['summary'])"
    rounds = [(processor_seconds(libraries), processor_seconds(summary)) for _ in range(5)]
    lower, upper = (min(column) for column in zip(*rounds, strict=True))
    assert upper < 3 * lower, rounds


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--epochs", "0"], "--epochs 0: give at least 1"),
        (["--rate", "nan"], "--rate nan: give a number above 0"),
        (["--label-smoothing", "2"], "--label-smoothing 2.0: give a number from 0 up to, but not including, 1"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_value_that_a_record_refuses_is_named_as_the_option(arguments, complaint, encoding):
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = run("train", "digits", "-o", "unused", *arguments, env=environment)
    assert done.stderr == f"googlenet: {complaint}; see googlenet train --help\n"
    assert done.returncode == 2


def test_a_name_does_not_break_a_warning_into_lines(capsys):
    main(["--version"])
    logging.getLogger("googlenet").warning("no images of class %s", "cat\nwarning: dog")
    assert capsys.readouterr().err == "warning: no images of class cat\\nwarning: dog\n"
