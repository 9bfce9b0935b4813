"""Deep Compression for Keras 3: prune, share weights, Huffman-code, load back.

The names below are imported when they are first used, so that `import deepcompress`
costs no import of TensorFlow or Keras.
"""

from deepcompress import _lazy
from deepcompress._version import __version__ as __version__

TYPE_CHECKING = False  # `typing` would take most of the time of this import
if TYPE_CHECKING:
    from deepcompress import importers as importers
    from deepcompress import models as models
    from deepcompress.clustering.entropy import entropy_kmeans1d as entropy_kmeans1d
    from deepcompress.clustering.estimator import KMeans1D as KMeans1D
    from deepcompress.clustering.kmeans import KMeans1DResult as KMeans1DResult
    from deepcompress.clustering.kmeans import kmeans1d as kmeans1d
    from deepcompress.dcz.coding.tensor import TensorStats as TensorStats
    from deepcompress.dcz.coding.weights import Weights as Weights
    from deepcompress.dcz.container import Container as Container
    from deepcompress.dcz.container import read as read
    from deepcompress.dcz.foreign.packing import PackReport as PackReport
    from deepcompress.dcz.foreign.packing import pack as pack
    from deepcompress.dcz.foreign.unpacking import unpack as unpack
    from deepcompress.dcz.report import CompressionReport as CompressionReport
    from deepcompress.dcz.report import ReportRow as ReportRow
    from deepcompress.dcz.writing import write as write
    from deepcompress.errors import CorruptFileError as CorruptFileError
    from deepcompress.network.variables import count_weights as count_weights
    from deepcompress.pruning.callback import PruningCallback as PruningCallback
    from deepcompress.pruning.prune import prune as prune
    from deepcompress.pruning.schedules import ConstantSparsity as ConstantSparsity
    from deepcompress.pruning.schedules import PolynomialDecay as PolynomialDecay
    from deepcompress.pruning.schedules import PruningSchedule as PruningSchedule
    from deepcompress.runtime.compressed_model import CompressedModel as CompressedModel
    from deepcompress.runtime.tables import ModelProfile as ModelProfile
    from deepcompress.runtime.tables import ModelSummary as ModelSummary
    from deepcompress.runtime.tables import StepRow as StepRow
    from deepcompress.saving.serializer import HuffmanSerializer as HuffmanSerializer
    from deepcompress.saving.serializer import load_model as load_model
    from deepcompress.search.compress import compress as compress
    from deepcompress.search.result import CompressionResult as CompressionResult
    from deepcompress.search.state import Budget as Budget
    from deepcompress.search.state import CompressionPoint as CompressionPoint
    from deepcompress.sensitivity import Sensitivity as Sensitivity
    from deepcompress.sensitivity import SensitivityPoint as SensitivityPoint
    from deepcompress.sensitivity import sensitivity as sensitivity
    from deepcompress.sharing import WeightSharingQuantizer as WeightSharingQuantizer
    from deepcompress.shrinking.shrink import shrink as shrink

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    {
        "_version": ["__version__"],
        "clustering.entropy": ["entropy_kmeans1d"],
        "clustering.estimator": ["KMeans1D"],
        "clustering.kmeans": ["KMeans1DResult", "kmeans1d"],
        "dcz.coding.tensor": ["TensorStats"],
        "dcz.coding.weights": ["Weights"],
        "dcz.container": ["Container", "read"],
        "dcz.foreign.packing": ["PackReport", "pack"],
        "dcz.foreign.unpacking": ["unpack"],
        "dcz.report": ["CompressionReport", "ReportRow"],
        "dcz.writing": ["write"],
        "errors": ["CorruptFileError"],
        "network.variables": ["count_weights"],
        "runtime.compressed_model": ["CompressedModel"],
        "runtime.tables": ["ModelProfile", "ModelSummary", "StepRow"],
        "pruning.callback": ["PruningCallback"],
        "pruning.prune": ["prune"],
        "pruning.schedules": ["ConstantSparsity", "PolynomialDecay", "PruningSchedule"],
        "saving.serializer": ["HuffmanSerializer", "load_model"],
        "search.compress": ["compress"],
        "search.result": ["CompressionResult"],
        "search.state": ["Budget", "CompressionPoint"],
        "sensitivity": ["Sensitivity", "SensitivityPoint", "sensitivity"],
        "sharing": ["WeightSharingQuantizer"],
        "shrinking.shrink": ["shrink"],
    },
    submodules=["importers", "models"],
)
