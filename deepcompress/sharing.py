"""Stage 2: weight sharing, by k-means for each tensor, with trained centroids."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import keras
import numpy as np

from deepcompress import _checks
from deepcompress._display import settings
from deepcompress._progress import say
from deepcompress.calibration.calibrate import Calibration
from deepcompress.calibration.kernel import Kernel
from deepcompress.clustering.clusters import Clusters, Init, cluster
from deepcompress.clustering.rounding import round_mantissa
from deepcompress.network import internals
from deepcompress.network.moments import second_moments
from deepcompress.network.tables import TableTie, is_table, lead_updates
from deepcompress.network.ties import (
    Gradient,
    MaskTie,
    SharingTie,
    Tie,
    TieSet,
    TyingCallback,
)
from deepcompress.network.variables import NamedVariable, biases, choose, patterns

SampleWeight = Literal["curvature"] | None
_MAX_CODES = 1 << 16
# Tensors with their clusters, and whether a training has to keep these.
_Found = list[tuple[NamedVariable, Clusters, bool]]


class WeightSharingQuantizer(TyingCallback):
    """Lets the weights of a tensor share few values, and trains these.

    When a training begins, the surviving weights of every kernel and embedding are
    clustered by k-means, each tensor by itself, and every weight takes the value of
    its centroid. During the training the members of a cluster stay equal while the
    centroid moves. Zeros of a pruned tensor stay zero and cost one code. Biases
    (unless you say so), normalization parameters and what is not trainable are left
    alone.

    The number of distinct values in all shared tensors is written to the epoch's logs
    as `"distinct_values"`.

    A tensor that holds no more distinct values than there are codes is shared
    already: its clusters are kept, and trained.

    Args:
        bits: The bits of a code, 1 to 16, for at most `2**bits` distinct values in a
            tensor; or a mapping from patterns to bits. Patterns as in
            `PruningCallback`. Defaults to `None`: 5, unless `n_clusters` is given.
        n_clusters: The distinct values of a tensor, zero included, 2 to 65,536,
            instead of `bits`; or a mapping from patterns to such numbers. Defaults
            to `None`.
        layers: A pattern or several; other layers are left alone. Defaults to
            `None`: every layer.
        init: Where the centroids start: `"linear"` (evenly from the smallest to the
            largest weight), `"density"` (at even quantiles), `"random"` (at random
            weights), `"kmeans++"`, or `"optimal"` (the exact optimum of k-means).
            Defaults to `"linear"`, the paper's choice.
        gradient: What moves a centroid: the `"mean"` of its members' updates, or
            their `"sum"`. The sum is the paper's equation 3, meant for plain SGD
            with a small rate. Defaults to `"mean"`.
        entropy_weight: What a bit of a code costs beside the error of the weights:
            k-means then minimises `distortion + entropy_weight * entropy`. The
            distortion is the squared error of the surviving weights divided by that
            of a single centroid, so it is a part of their variance and has no unit;
            the entropy is the mean of `-log2(share)`, the share being that of a
            cluster among the survivors. Clusters that do not pay are dropped. Useful
            values are 0.001 to 0.1. `quantize(model, data=x)` counts the bits of the
            places besides, and takes away the weights that do not pay. Defaults to
            `0.0`: plain k-means.
        sample_weight: `"curvature"` weights the squared error of each weight by the
            running mean of its squared gradients, which Adam and its kin (AdamW,
            Nadam, RMSprop) keep; a thousandth of the tensor's mean is added, as no
            weight may count nothing. The model must have been trained since it was
            compiled. Defaults to `None`: all count the same.
        bias_bits: Shares the biases of every chosen layer too, at most
            `2**bias_bits` values in each, 1 to 16. Zeros stay zero and cost one code.
            Defaults to `None`: biases are left alone.
        mantissa_bits: Rounds every value of the chosen tensors to so many binary
            digits behind the leading one, 1 to 23, when a training begins and again
            when it ends; in between the centroids move freely. Defaults to `None`:
            all digits of the dtype.
        seed: Seed of `"random"` and `"kmeans++"`; `None` draws anew each time, which
            several processes that train one model must not do. Defaults to `0`.
        verbose: `1` prints what was shared. Defaults to `0`.

    Raises:
        ValueError: `bits` and `n_clusters` are both given, `bits` or `bias_bits` is
            outside 1 to 16, `n_clusters` outside 2 to 65,536, `mantissa_bits` outside
            1 to 23, `entropy_weight` negative, `init`, `gradient` or `sample_weight`
            is not known; or, when the training begins, a pattern matches no layer, a
            weight is not finite, or the curvature is wanted and not known.

    References:
        - Han, Mao, Dally 2016, "Deep Compression", section 3.
        - Choi, El-Khamy, Lee 2017, "Towards the Limit of Network Quantization",
          sections 3 (curvature) and 4 (entropy).

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> model.compile("adam", "mse")
    >>> x, y = np.random.rand(64, 8), np.random.rand(64, 4)
    >>> sharing = WeightSharingQuantizer(bits=2)
    >>> history = model.fit(x, y, verbose=0, callbacks=[sharing])
    >>> len(np.unique(model.get_weights()[0]))
    4
    """

    def __init__(
        self,
        bits: int | Mapping[str, int] | None = None,
        *,
        n_clusters: int | Mapping[str, int] | None = None,
        layers: str | Iterable[str] | None = None,
        init: Init = "linear",
        gradient: Gradient = "mean",
        entropy_weight: float = 0.0,
        sample_weight: SampleWeight = None,
        bias_bits: int | None = None,
        mantissa_bits: int | None = None,
        seed: int | None = 0,
        verbose: int = 0,
    ) -> None:
        super().__init__()
        if bits is not None and n_clusters is not None:
            raise ValueError(
                "Give `bits` or `n_clusters`, not both. Received: "
                f"bits={bits!r}, n_clusters={n_clusters!r}"
            )
        if bits is None and n_clusters is None:
            bits = 5
        if bias_bits is not None:
            bias_bits = _checks.integer_in("bias_bits", bias_bits, 1, 16)
        if mantissa_bits is not None:
            mantissa_bits = _checks.integer_in("mantissa_bits", mantissa_bits, 1, 23)
        self.bits = bits
        self.n_clusters = n_clusters
        self.layers = patterns(layers)
        self.init: Init = _checks.one_of("init", init, get_args(Init))
        self.gradient: Gradient = _checks.one_of(
            "gradient", gradient, get_args(Gradient)
        )
        self.entropy_weight = _checks.number_in(
            "entropy_weight", entropy_weight, "[0, inf)"
        )
        self.sample_weight = _checks.one_of(
            "sample_weight", sample_weight, (None, "curvature")
        )
        self.bias_bits = bias_bits
        self.mantissa_bits = mantissa_bits
        self.seed = seed
        self.verbose = verbose
        _n_codes(bits, n_clusters)

    def quantize(self, model: keras.Model, data: Any = None) -> None:
        """Shares the weights of a model now, in place and without training.

        With some inputs as `data` the error of each weight is made up for by others:
        layer by layer, what comes out stays as near as can be to what came out of the
        model before. Biases and the statistics of batch normalization follow. Some
        hundred inputs are enough; labels are not needed.

        Args:
            model: A built model.
            data: Inputs as `predict` takes them, or `"synthetic"`, as in `prune`.
                Defaults to `None`: each weight goes to the nearest centroid.

        Raises:
            ValueError: A pattern matches no layer, a weight is not finite, the model
                has not been built, or the data do not fit it. The model is as it was
                then.

        References:
            Frantar et al. 2023, "GPTQ: accurate post-training quantization for
            generative pre-trained transformers", section 3; Behdin et al. 2023,
            "QuantEase", section 3.
        """
        chosen = self._choose(model)
        if data is not None:
            self._calibrate(model, chosen, data)
            # What has been shared already is kept.
            chosen = [(named, most) for named, most in chosen if named.is_bias]
        for variable, value in _values(self._clusters(model, chosen)):
            variable.assign(value)

    def _calibrate(
        self, model: keras.Model, chosen: list[tuple[NamedVariable, int]], data: Any
    ) -> None:
        """Shares kernels with a few inputs in view."""
        most_of = {id(named.variable): most for named, most in chosen}
        curvatures = {id(n.variable): self._curvature(model, n) for n, _ in chosen}

        def rounded(centers: np.ndarray) -> np.ndarray:
            if self.mantissa_bits is None:
                return centers
            return round_mantissa(centers, self.mantissa_bits)

        def treat(named: NamedVariable, kernel: Kernel) -> None:
            def start(value: np.ndarray, weights: np.ndarray) -> np.ndarray:
                curvature = curvatures[id(named.variable)]
                return cluster(
                    value,
                    most_of[id(named.variable)],
                    init=self.init,
                    seed=self.seed,
                    curvature=weights if curvature is None else curvature,
                    mantissa_bits=self.mantissa_bits,
                ).values()

            kernel.share(start, rounded, entropy_weight=self.entropy_weight)

        kernels = [named for named, _ in chosen if not named.is_bias]
        Calibration(model, data, verbose=self.verbose).change(kernels, treat)

    def tie(self, ties: TieSet) -> None:
        """Shares the weights and takes hold of them."""
        if self.gradient == "sum" and internals.num_replicas(self.model) > 1:
            raise ValueError(
                "`gradient='sum'` does not work with several replicas, each of which "
                "would move the centroids. Use `gradient='mean'`."
            )
        found = self._clusters(self.model, self._choose(self.model))
        self._chosen = [named for named, _, _ in found]
        self._shared = [named for named, _, is_held in found if is_held]
        tied = []
        for named, clusters, is_held in found:
            inner = ties.inner(named.variable)
            named.variable.assign(clusters.values())
            if is_held:
                tie = self._tie(ties, named, clusters, inner)
                ties.attach(named.variable, tie)
                tied.append((named.variable, tie))
        lead_updates(ties, self.model, tied)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Shares what another callback has written to a large tensor meanwhile."""
        # A step adds nothing up but updates there, for which it has to be shared.
        self.check().project(TableTie)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the number of distinct values to the logs."""
        self.check()
        if logs is not None:
            values = (named.variable.numpy() for named in self._shared)
            logs["distinct_values"] = sum(len(np.unique(value)) for value in values)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Lets go of the weights; the shared values stay."""
        was_tied = self._ties is not None
        super().on_train_end(logs)
        if was_tied and self.mantissa_bits is not None:
            for named in self._chosen:
                value = named.variable.numpy()
                named.variable.assign(round_mantissa(value, self.mantissa_bits))

    def __repr__(self) -> str:
        return settings(self)

    def _tie(
        self, ties: TieSet, named: NamedVariable, shared: Clusters, inner: Any | None
    ) -> Tie:
        state = ties.state
        if not shared.is_shared:
            # Fewer weights have survived than there are codes; the zeros stay zero.
            values = shared.values()
            mask = (values != 0).astype(values.dtype)
            return MaskTie(state(mask, named.variable), inner)
        if is_table(shared):
            return TableTie(ties, named.variable, shared, self.gradient, inner)
        return SharingTie(
            None if shared.positions is None else state(shared.positions),
            state(shared.codes),
            state(np.bincount(shared.codes).astype("float32")),
            state(shared.centers) if self.gradient == "sum" else None,
            inner,
        )

    def _choose(self, model: keras.Model) -> list[tuple[NamedVariable, int]]:
        """Returns the tensors to share, with the distinct values of each."""
        chosen = choose(model, _n_codes(self.bits, self.n_clusters), self.layers)
        if self.bias_bits is not None:
            paths = {named.layer for named, _ in chosen}
            chosen += [(bias, 1 << self.bias_bits) for bias in biases(model, paths)]
        return chosen

    def _clusters(
        self, model: keras.Model, chosen: list[tuple[NamedVariable, int]]
    ) -> _Found:
        """Clusters every chosen tensor, before any is changed."""
        found = []
        unshared = []
        for named, most in chosen:
            clusters = cluster(
                named.numpy(),
                most,
                init=self.init,
                seed=self.seed,
                entropy_weight=self.entropy_weight,
                curvature=self._curvature(model, named),
                mantissa_bits=self.mantissa_bits,
            )
            # Beside few biases that have a value each, zeros are values like others.
            has_zeros = clusters.positions is not None
            is_small = named.is_bias and clusters.size <= most
            is_held = clusters.is_shared or (has_zeros and not is_small)
            found.append((named, clusters, is_held))
            if not is_held and not named.is_bias:
                unshared.append(named.name)
            if self.verbose and clusters.is_shared:
                say(
                    f"{named.name}: {len(clusters.codes):,} weights share "
                    f"{len(clusters.centers):,} values"
                )
        if unshared:
            warnings.warn(
                f"Left alone, as no two weights would share a value: {unshared}. Use "
                "fewer `bits` for these layers, or leave them out with `layers`.",
                stacklevel=2,
            )
        return found

    def _curvature(self, model: keras.Model, named: NamedVariable) -> np.ndarray | None:
        """Returns what the weights of a tensor count, `None` for all the same."""
        if self.sample_weight is None:
            return None
        curvature = second_moments(model, named.variable)
        if curvature is None:
            raise ValueError(
                f"The curvature at {named.name!r} is not known. "
                "`sample_weight='curvature'` takes it from the optimizer: train the "
                "model with Adam, AdamW, Nadam or RMSprop, and do not compile it again "
                "before its weights are shared."
            )
        if not np.isfinite(curvature).all():
            raise ValueError(
                f"The gradients of {named.name!r} hold NaN or infinity, so nothing "
                "can be weighted by them. Did the training diverge? Lower the learning "
                "rate."
            )
        return curvature


def shared(
    model: keras.Model, variables: Iterable[NamedVariable], bits: int, init: Init
) -> Iterator[tuple[Any, np.ndarray]]:
    """Yields variables with their values shared, and changes none.

    Args:
        model: The model that they are of.
        variables: Exactly the ones to share, each by itself.
        bits: The bits of a code, 1 to 16.
        init: How `WeightSharingQuantizer` finds the centroids.
    """
    quantizer = WeightSharingQuantizer(bits, init=init)
    yield from _values(quantizer._clusters(model, [(v, 1 << bits) for v in variables]))


def _values(found: _Found) -> Iterator[tuple[Any, np.ndarray]]:
    while found:  # each is let go of before the next needs memory
        named, clusters, _ = found.pop()
        yield named.variable, clusters.values()


def _n_codes(
    bits: int | Mapping[str, int] | None, n_clusters: int | Mapping[str, int] | None
) -> int | dict[str, int]:
    """Returns the distinct values of a tensor, zero included, for all or by pattern."""

    def checked(setting: Any) -> int:
        if n_clusters is None:
            return 1 << _checks.integer_in("bits", setting, 1, 16)
        return _checks.integer_in("n_clusters", setting, 2, _MAX_CODES)

    given = bits if n_clusters is None else n_clusters
    if isinstance(given, Mapping):
        return {pattern: checked(setting) for pattern, setting in given.items()}
    return checked(given)
