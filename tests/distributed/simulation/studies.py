"""A comparison whose outcome is known: three exchanges, real paces, made-up learning."""

from googlenet.distributed.simulation.calibration import Calibrated, Calibration, Compared
from googlenet.distributed.simulation.cluster import Cluster
from googlenet.distributed.simulation.learning import Learnt, Point
from googlenet.distributed.simulation.settings import Settings
from googlenet.distributed.simulation.study import Study, paces
from googlenet.distributed.simulation.throughput import throughput


def learnt(arm, workers, seconds, *, met=True, rate=0.03):
    points = tuple(
        Point(seconds * (n + 1) / 4, 360 * (n + 1), accuracy) for n, accuracy in enumerate((0.2, 0.6, 0.8, 0.92))
    )
    points = points if met else points[:3]
    return Learnt(arm, workers, rate, points, points[-1] if met else None, diverged=False)


def study(*, calibrated=True):
    cluster = Cluster(step_seconds=0.5, update_seconds=0.02, shards=4, latency=0.1, bandwidth=10.0)
    settings = Settings(
        exchanges=("synchronous", "backup", "downpour", "downpour-corrected"),
        workers=(1, 4, 64, 256),
        learning_workers=(1, 16),
    )
    runs = (
        learnt("synchronous", 1, 100.0),
        learnt("synchronous", 16, 25.0),
        learnt("backup", 16, 20.0),
        learnt("downpour", 16, 40.0, met=False, rate=0.002),
        learnt("downpour-corrected", 16, 50.0),
    )
    rows = (Calibrated(1, 100.0, 90.0, 110.0, 101.0), Calibrated(2, 180.0, 170.0, 190.0, 171.0))
    fed = Cluster(network="googlenet-tiny", step_seconds=0.1, update_seconds=0.0)
    late = (Calibrated(1, 90.0, 80.0, 95.0, 99.0), Calibrated(2, 100.0, 90.0, 110.0, 130.0))
    compared = (Compared("synchronous", fed, rows), Compared("downpour", fed, late))
    calibration = Calibration(2, 1, compared)
    alone = throughput(cluster, "synchronous", 1)
    return Study(cluster, settings, paces(cluster, settings), alone, runs, calibration if calibrated else None)
