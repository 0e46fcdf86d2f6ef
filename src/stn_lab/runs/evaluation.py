"""The models of a run, measured again."""

from ..models.classifier import DigitClassifier
from ..tasks.classification import ImageClassification, Score, score
from ..training import checkpoint
from .experiment import Experiment
from .folder import RunFolder
from .run import build_model


def load_model(folder: RunFolder, experiment: Experiment, task: ImageClassification, label: str) -> DigitClassifier:
    """A trained model of a run, ready to be used.

    Raises:
        UserError: its checkpoint is missing, damaged or of another model.
    """
    network = build_model(experiment, task, label)
    checkpoint.load_weights(network, folder.model(label) / checkpoint.BEST)
    return network.eval()


def evaluate_run(folder: RunFolder) -> dict[str, Score]:
    """Measure every finished model of a run again.

    Raises:
        UserError: a model is unfinished, or its checkpoint cannot be used.
    """
    experiment = folder.experiment()
    task = experiment.data.task()
    models = {label: load_model(folder, experiment, task, label) for label in experiment.models}
    return {label: score(network, task.test) for label, network in models.items()}
