"""The networks of "Going deeper with convolutions" (Szegedy et al., 2014), their weights, training and use.

The public names are resolved when they are first used, so that importing the package imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Alone": "googlenet.training.exchange",
    "Answer": "googlenet.prediction.results",
    "Checkpoint": "googlenet.weights.checkpoint",
    "Class": "googlenet.weights.classes",
    "Detections": "googlenet.detection.detections",
    "Embedding": "googlenet.prediction.results",
    "Evaluation": "googlenet.evaluation.results",
    "EvaluationImages": "googlenet.data.torch_dataset",
    "Exchange": "googlenet.training.exchange",
    "Explanation": "googlenet.evaluation.explain",
    "InputError": "googlenet.errors",
    "Model": "googlenet.prediction.model",
    "Network": "googlenet.network.module",
    "PhotometricDistortion": "googlenet.images.transforms",
    "Prediction": "googlenet.prediction.results",
    "Protocol": "googlenet.evaluation.protocol",
    "Predictor": "googlenet.inference.predictor",
    "RandomResizedCrop": "googlenet.images.transforms",
    "Recipe": "googlenet.training.recipe",
    "SGD": "googlenet.training.optimizer",
    "Specification": "googlenet.network.specification",
    "Sum": "googlenet.training.task",
    "Task": "googlenet.training.task",
    "TrainingImages": "googlenet.data.torch_dataset",
    "TrainingNetwork": "googlenet.training.fused",
    "cost": "googlenet.network.cost",
    "create": "googlenet.weights.creation",
    "evaluate": "googlenet.evaluation.run",
    "explain": "googlenet.evaluation.explain",
    "export_onnx": "googlenet.export.onnx_file",
    "import_weights": "googlenet.weights.importers",
    "list_networks": "googlenet.network.zoo",
    "load": "googlenet.prediction.loading",
    "load_detector": "googlenet.detection.detector.detector",
    "normalise": "googlenet.images.preprocessing",
    "parameter_groups": "googlenet.training.optimizer",
    "save": "googlenet.weights.checkpoint",
    "save_detector_ensemble": "googlenet.detection.detector.file",
    "save_ensemble": "googlenet.weights.ensemble",
    "save_explanation": "googlenet.evaluation.explain_page",
    "specification": "googlenet.network.zoo",
    "train": "googlenet.training.run",
}

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from googlenet.data.torch_dataset import EvaluationImages as EvaluationImages
    from googlenet.data.torch_dataset import TrainingImages as TrainingImages
    from googlenet.detection.detections import Detections as Detections
    from googlenet.detection.detector.detector import load_detector as load_detector
    from googlenet.detection.detector.file import save_detector_ensemble as save_detector_ensemble
    from googlenet.errors import InputError as InputError
    from googlenet.evaluation.explain import Explanation as Explanation
    from googlenet.evaluation.explain import explain as explain
    from googlenet.evaluation.explain_page import save_explanation as save_explanation
    from googlenet.evaluation.protocol import Protocol as Protocol
    from googlenet.evaluation.results import Evaluation as Evaluation
    from googlenet.evaluation.run import evaluate as evaluate
    from googlenet.export.onnx_file import export_onnx as export_onnx
    from googlenet.images.preprocessing import normalise as normalise
    from googlenet.images.transforms import PhotometricDistortion as PhotometricDistortion
    from googlenet.images.transforms import RandomResizedCrop as RandomResizedCrop
    from googlenet.inference.predictor import Predictor as Predictor
    from googlenet.network.cost import cost as cost
    from googlenet.network.module import Network as Network
    from googlenet.network.specification import Specification as Specification
    from googlenet.network.zoo import list_networks as list_networks
    from googlenet.network.zoo import specification as specification
    from googlenet.prediction.loading import load as load
    from googlenet.prediction.model import Model as Model
    from googlenet.prediction.results import Answer as Answer
    from googlenet.prediction.results import Embedding as Embedding
    from googlenet.prediction.results import Prediction as Prediction
    from googlenet.training.exchange import Alone as Alone
    from googlenet.training.exchange import Exchange as Exchange
    from googlenet.training.fused import TrainingNetwork as TrainingNetwork
    from googlenet.training.optimizer import SGD as SGD
    from googlenet.training.optimizer import parameter_groups as parameter_groups
    from googlenet.training.recipe import Recipe as Recipe
    from googlenet.training.run import train as train
    from googlenet.training.task import Sum as Sum
    from googlenet.training.task import Task as Task
    from googlenet.weights.checkpoint import Checkpoint as Checkpoint
    from googlenet.weights.checkpoint import save as save
    from googlenet.weights.classes import Class as Class
    from googlenet.weights.creation import create as create
    from googlenet.weights.ensemble import save_ensemble as save_ensemble
    from googlenet.weights.importers import import_weights as import_weights

else:  # hidden from type checkers, so that they refuse names that are not there

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'googlenet' has no attribute '{name}'")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
