"""`googlenet simulate`: how many machines are worth it for a network on a link, and what they do to learning."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

from tyro.conf import OmitArgPrefixes, Positional, arg

from googlenet.commands.runs import carry_through
from googlenet.data.sources import expect_source
from googlenet.distributed.simulation.cluster import Cluster
from googlenet.distributed.simulation.settings import Settings
from googlenet.errors import InputError, after_work
from googlenet.files import expect_folder, expect_regular
from googlenet.reporting.console import json_line, say, table

if TYPE_CHECKING:
    from googlenet.distributed.simulation.study import Study


@dataclass(frozen=True)
class Options:
    """Simulate the training of a network by many machines: pace, staleness, waiting, time to an accuracy."""

    data: Annotated[Positional[str], arg(metavar="DATA")] = "digits"
    """What the small network learns: folder of class folders, list file, tar shards, or digits."""
    validation: Annotated[Optional[str], arg(metavar="DATA")] = None  # noqa: UP045
    """What its accuracy is that of, in any of the forms of DATA; digits have their own."""
    cluster: Annotated[Cluster, OmitArgPrefixes] = Cluster()  # noqa: RUF009  frozen
    settings: Annotated[Settings, OmitArgPrefixes] = Settings()  # noqa: RUF009  frozen
    calibrate: Annotated[tuple[int, ...], arg(metavar="N")] = ()
    """Compare with so many real workers on this machine, such as 1 2 4."""
    report: Annotated[Optional[Path], arg(metavar="FOLDER")] = None  # noqa: UP045
    """Write a page with curves and tables, and JSON; an interrupted comparison goes on there."""
    json: bool = False
    """Print one JSON object (docs/json.md)."""


def run(options: Options) -> int:
    """Simulate, and print what came of it as soon as it is known: the paces as a table, and the answers."""
    expect_source(options.data)
    validation = options.validation or ("digits" if options.data == "digits" else None)
    if validation is None:
        raise InputError(f"{options.data}: give --validation DATA, whose accuracy is asked for")
    expect_source(validation)
    if options.report is not None:
        expect_folder(options.report)
    if options.calibrate and (len(set(options.calibrate)) < 2 or min(options.calibrate) < 1):
        raise InputError("--calibrate: give several numbers of workers, such as 1 2 4")
    from googlenet.distributed.simulation.answers import answer_of_learning
    from googlenet.distributed.simulation.report import FILES, to_json, write_report
    from googlenet.distributed.simulation.study import compare

    if options.report is not None:
        for name in FILES:
            expect_regular(options.report / name)
    study = carry_through(
        lambda: compare(
            options.cluster,
            options.settings,
            options.data,
            validation,
            calibrated_with=options.calibrate,
            folder=options.report,
            paced=None if options.json else _show_pace,
        )
    )
    if isinstance(study, int):
        return study
    if options.report is not None:
        with after_work():
            path = write_report(study, options.report)
        say(f"{path}: the report")
    if options.json:
        print(json_line(to_json(study)))
    else:
        print("\n".join(answer_of_learning(study)))
    return 0


def _show_pace(study: "Study") -> None:
    """Print what is known before the learning."""
    from googlenet.distributed.simulation.answers import answer_of_pace
    from googlenet.distributed.simulation.report import HEADERS, rows_of

    print(table(HEADERS, rows_of(study)), "", *answer_of_pace(study), sep="\n", flush=True)
