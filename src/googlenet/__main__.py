"""The command line: `googlenet COMMAND ...`. Finds the command, reads its options, and turns errors into one line."""

import contextlib
import dataclasses
import difflib
import errno
import importlib
import io
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import Any, get_type_hints

from googlenet.errors import BrokenOff, InputError

__all__ = ["COMMANDS", "main", "parse"]

COMMANDS = {
    "summary": "Table 1 for any network: rows, parameters, multiply-adds, memory, the paper's figures beside ours",
    "download": "public weights by name to a checkpoint: bvlc, google, torchvision",
    "import": "Caffe, torchvision or Google weights to a checkpoint",
    "predict": "classes and probabilities of images, folders, patterns",
    "embed": "features of images, folders, patterns",
    "views": "where the crops of an evaluation lie on an image: a sheet of them",
    "evaluate": "crops, ensembles, Table 3, with intervals and cost",
    "localisation": "the localisation error of ILSVRC, of predicted boxes",
    "explain": "what an answer rests on: Grad-CAM, occlusion, the evidence of each branch",
    "propose": "boxes where objects may lie, by Selective Search and MultiBox, and how many objects they cover",
    "detect": "objects and where they are, in images, folders, patterns",
    "train": "the recipe of section 6, or fine-tuning; continues when given again",
    "preview": "a sheet of augmented training samples, with what was done to each",
    "detector train": "from annotated pictures to a detector: proposals, region classifier, evaluation",
    "detector ensemble": "several detectors as one small file that stands for them",
    "detector train-multibox": "boxes around any object, learnt from annotated pictures",
    "data check": "what is wrong with a data set",
    "detector evaluate": "average precision of predicted boxes: VOC, ILSVRC, COCO, with intervals and types of error",
    "simulate": "section 6 on machines that one does not have: pace, staleness, time to an accuracy, what is worth it",
    "export": "a checkpoint for other programs: ONNX, a Hugging Face model folder",
    "demo": "the whole path on embedded real images, no download",
}
"""Each command and what it does; its module in `googlenet.commands` has a dataclass `Options` and a function `run`."""

INTERRUPTED = 130

_OUTPUT_FAILS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""What writing fails with. Other files are written by `files.atomic_write`, which names them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 1 (some inputs failed), 2 (nothing could be begun) or 130 (interrupted)."""
    is_process = arguments is None
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stderr is None:  # it was closed
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        print("googlenet: standard output is closed; give it somewhere to go", file=sys.stderr)
        return 2
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # no name of a file or class ends a command
    _speak_through_console()
    try:
        try:
            status = _obey(arguments)
            if is_process and status == INTERRUPTED:  # another Ctrl-C does not wait for what threads still do
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            return status
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has closed it (`| head`)
        _drop_output()
        return 1
    except OSError as error:
        if error.errno not in _OUTPUT_FAILS or error.filename is not None:
            raise
        print(f"googlenet: standard output cannot be written ({error.strerror})", file=sys.stderr)
        _drop_output()
        return 1


def _obey(arguments: Sequence[str]) -> int:
    try:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            print(_overview())
            return 0 if arguments else 2
        if arguments[0] == "--version":
            from googlenet.versions import hardware, versions

            print("\n".join(f"{name} {version}" for name, version in versions().items()))
            print(hardware())
            return 0
        if arguments[1:] in (["-h"], ["--help"]) and (group := _group(arguments[0])):
            print(_overview(group))
            return 0
        return _run(arguments)
    except InputError as error:
        _complain(f"googlenet: {error}")
        return 1 if isinstance(error, BrokenOff) else 2
    except KeyboardInterrupt:
        print("googlenet: interrupted", file=sys.stderr)
        return INTERRUPTED


def _complain(line: str) -> None:
    """Say what is wrong; of several processes that torchrun has started here the first, and its summary for each."""
    if os.environ.get("TORCHELASTIC_ERROR_FILE"):
        from googlenet.processes import tell_torchrun

        if tell_torchrun(line) and os.environ.get("LOCAL_RANK", "0") != "0":
            return
    print(line, file=sys.stderr)


def _drop_output() -> None:
    """Have Python not try to write the rest when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(options: type[Any], command: str, arguments: Sequence[str]) -> Any:
    """Read a command's options into its dataclass; raises `InputError` with one line where they do not fit."""
    import tyro

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                options,
                prog=f"googlenet {command}",
                args=list(arguments),
                config=(tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff),
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        complained = _with_option(_first_sentence(complaint.getvalue()), options)
        raise InputError(f"{complained}; see googlenet {command} --help") from None


def _run(arguments: Sequence[str]) -> int:
    words = 2 if " ".join(arguments[:2]) in COMMANDS else 1
    command = " ".join(arguments[:words])
    if command not in COMMANDS:
        raise InputError(_no_command(arguments))
    # A module cannot be called `import`, which is a word of Python's own, nor have a space in its name.
    name = "import_" if command == "import" else command.replace(" ", "_").replace("-", "_")
    module = importlib.import_module(f"googlenet.commands.{name}")
    options = parse(module.Options, command, arguments[words:])
    if getattr(options, "json", False) or getattr(options, "csv", False):
        from googlenet.reporting.console import data_on_stdout

        data_on_stdout()
    return module.run(options)


def _no_command(arguments: Sequence[str]) -> str:
    """Say what may have been meant: the nearest command, or those that begin with the same word, or all."""
    first = arguments[0]
    group = _group(first)
    typed = " ".join(word for word in arguments[: 2 if group else 1] if not word.startswith("-"))
    near = [] if typed == first and group else difflib.get_close_matches(typed, group or COMMANDS, 1, 0.7)
    told = f"do you mean {near[0]}" if near else f"there are {', '.join(group or COMMANDS)}"
    return f"'{typed}' is no command; {told}{'?' if near else ''}"


def _group(word: str) -> list[str]:
    """Return the commands whose first word of several it is."""
    return [name for name in COMMANDS if name.startswith(f"{word} ")]


def _overview(commands: Sequence[str] = tuple(COMMANDS)) -> str:
    width = max(map(len, commands))
    lines = [f"  {name:{width}}  {COMMANDS[name]}" for name in commands]
    return "\n".join(
        [
            "usage: googlenet COMMAND ...   (googlenet COMMAND --help says more; googlenet --version)",
            "",
            'The networks of "Going deeper with convolutions" (Szegedy et al., 2014), their weights, training and use.',
            "",
            *lines,
        ]
    )


def _first_sentence(box: str) -> str:
    """Take the message out of the frame in which tyro draws its complaints."""
    # Where the terminal does not write UTF-8, there are no sides, and a rule of - below the title.
    lines = [re.sub(r"[│╭╮╰╯]", "", line).strip() for line in box.splitlines()[1:]]
    message: list[str] = []
    for line in lines:
        if line and set(line) <= {"─", "-"}:
            if message:
                break
            continue
        message.append(line)
    text = " ".join(part for part in message if part).partition(" Got errors: ")[0]
    text = re.sub(r"\. Expected one of \((.+)\) ?", _choices, text)
    return _missing(text).rstrip(".") or "the options cannot be read"


def _choices(found: re.Match[str]) -> str:
    return f"; give one of {found[1].replace(chr(39), '')}"


def _missing(complaint: str) -> str:
    """Name what is missing, without the help on it."""
    found = re.fullmatch(r"Missing from (.+?): (.+)", complaint)
    if found is None:
        return complaint
    parts = [part.strip() for part in found[2].split("(required)") if part.strip()]
    names = [re.sub(r"^-\w \S+, ", "", part).split()[0] for part in parts]
    return f"{found[1].removeprefix('googlenet ')} needs {' and '.join(names)}"


def _with_option(complaint: str, options: type[Any]) -> str:
    """Name the option where a record of options (`Recipe`) was refused, which speaks of its fields."""
    found = re.fullmatch(r"Error parsing (\w+): ((\w+) .+)", complaint)
    if found is None:
        return complaint
    place, message, name = found.groups()
    is_nested = dataclasses.is_dataclass(get_type_hints(options, include_extras=True).get(place))
    prefix = f"{place.replace('_', '-')}." if is_nested else ""
    records = [options, *(hint for hint in get_type_hints(options).values() if dataclasses.is_dataclass(hint))]
    names = {field.name for record in records for field in dataclasses.fields(record)}
    return f"--{prefix}{name.replace('_', '-')}{message.removeprefix(name)}" if name in names else message


def _speak_through_console() -> None:
    """Warnings of the package go to stderr as one line each, above a live progress line."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            from googlenet.reporting.console import say, warn

            (warn if record.levelno >= logging.WARNING else say)(record.getMessage())

    log = logging.getLogger("googlenet")
    log.setLevel(logging.INFO)
    log.handlers[:] = [Handler()]
    log.propagate = False


if __name__ == "__main__":
    sys.exit(main())
