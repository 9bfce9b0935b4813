"""Stage 2: weight sharing, by k-means for each tensor, with trained centroids."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import keras
import numpy as np

from deepcompress.clustering.clusters import Clusters, Init, cluster
from deepcompress.clustering.rounding import round_digits
from deepcompress.network.moments import second_moments
from deepcompress.network.ties import Gradient, MaskTie, SharingTie, Tie, TieSet
from deepcompress.network.variables import NamedVariable, biases, choose

SampleWeight = Literal["curvature"] | None
_MAX_CODES = 1 << 16


class WeightSharingQuantizer(keras.callbacks.Callback):
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
            `PruningCallback`. Defaults to `5`.
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
            values are 0.001 to 0.1. Defaults to `0.0`: plain k-means.
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
        ValueError: `bits` or `bias_bits` is outside 1 to 16, `n_clusters` outside 2
            to 65,536, `mantissa_bits` outside 1 to 23, `entropy_weight` negative,
            `init`, `gradient` or `sample_weight` is not known; or, when the training
            begins, a pattern matches no layer, a weight is not finite, or the
            curvature is wanted and not known.

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
        bits: int | Mapping[str, int] = 5,
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
        _check_known("init", init, get_args(Init))
        _check_known("gradient", gradient, get_args(Gradient))
        _check_known("sample_weight", sample_weight, (None, "curvature"))
        if not (np.isfinite(entropy_weight) and entropy_weight >= 0):
            raise ValueError(
                "`entropy_weight` must be finite and at least 0. "
                f"Received: entropy_weight={entropy_weight!r}"
            )
        self._n_codes = _n_codes(bits, n_clusters)
        if bias_bits is not None:
            bias_bits = _check_integer("bias_bits", bias_bits, 1, 16)
        if mantissa_bits is not None:
            mantissa_bits = _check_integer("mantissa_bits", mantissa_bits, 1, 23)
        self._bias_bits = bias_bits
        self._mantissa_bits = mantissa_bits
        self._layers = layers
        self._init: Init = init
        self._gradient: Gradient = gradient
        self._entropy_weight = entropy_weight
        self._sample_weight = sample_weight
        self._seed = seed
        self._verbose = verbose
        self._ties: TieSet | None = None

    def quantize(self, model: keras.Model) -> None:
        """Shares the weights of a model now, in place and without training.

        Args:
            model: A built model.

        Raises:
            ValueError: A pattern matches no layer, a weight is not finite, or the
                model has not been built.
        """
        found = self._clusters(model)
        while found:  # each is let go of before the next needs memory
            named, clusters, _ = found.pop()
            named.variable.assign(clusters.values())

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Shares the weights and takes hold of them."""
        strategy = getattr(self.model, "distribute_strategy", None)
        if self._gradient == "sum" and getattr(strategy, "num_replicas_in_sync", 1) > 1:
            raise ValueError(
                "`gradient='sum'` does not work with several replicas, each of which "
                "would move the centroids. Use `gradient='mean'`."
            )
        found = self._clusters(self.model)
        self._chosen = [named for named, _, _ in found]
        self._shared = [named for named, _, is_held in found if is_held]
        self._ties = TieSet(self.model, self)
        for named, clusters, is_held in found:
            inner = self._ties.inner(named.variable)
            named.variable.assign(clusters.values())
            if is_held:
                self._ties.attach(named.variable, self._tie(clusters, inner))
        self._ties.retrace()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the number of distinct values to the logs."""
        assert self._ties is not None
        self._ties.check(self.model)
        if logs is not None:
            values = (named.variable.numpy() for named in self._shared)
            logs["distinct_values"] = sum(len(np.unique(value)) for value in values)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Lets go of the weights; the shared values stay."""
        if self._ties is not None:
            # Averaging (`use_ema`) writes the weights anew after the last update.
            self._ties.project()
            if self._mantissa_bits is not None:
                for named in self._chosen:
                    value = named.variable.numpy()
                    named.variable.assign(round_digits(value, self._mantissa_bits))
            self._ties.detach()
            self._ties = None

    def _tie(self, shared: Clusters, inner: Any | None) -> Tie:
        assert self._ties is not None
        state = self._ties.state
        if not shared.is_shared:
            # Fewer weights have survived than there are codes; the zeros stay zero.
            values = shared.values()
            return MaskTie(state((values != 0).astype(values.dtype)), inner)
        return SharingTie(
            None if shared.positions is None else state(shared.positions),
            state(shared.codes),
            state(np.bincount(shared.codes).astype("float32")),
            state(shared.centers) if self._gradient == "sum" else None,
            inner,
        )

    def _clusters(
        self, model: keras.Model
    ) -> list[tuple[NamedVariable, Clusters, bool]]:
        """Clusters every chosen tensor, before any is changed.

        Returns each with its clusters, and whether a training has to keep these.
        """
        chosen = choose(model, self._n_codes, self._layers)
        if self._bias_bits is not None:
            paths = {named.layer for named, _ in chosen}
            chosen += [(bias, 1 << self._bias_bits) for bias in biases(model, paths)]
        found = []
        unshared = []
        for named, n_codes in chosen:
            clusters = cluster(
                named.numpy(),
                n_codes,
                init=self._init,
                seed=self._seed,
                entropy_weight=self._entropy_weight,
                curvature=self._curvature(model, named),
                mantissa_bits=self._mantissa_bits,
            )
            # Beside few biases that have a value each, zeros are values like others.
            has_zeros = clusters.positions is not None
            is_small = named.is_bias and clusters.size <= n_codes
            is_held = clusters.is_shared or (has_zeros and not is_small)
            found.append((named, clusters, is_held))
            if not is_held and not named.is_bias:
                unshared.append(named.name)
            if self._verbose and clusters.is_shared:
                print(
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
        if self._sample_weight is None:
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


def _n_codes(
    bits: int | Mapping[str, int], n_clusters: int | Mapping[str, int] | None
) -> int | dict[str, int]:
    """Returns the distinct values of a tensor, zero included, for all or by pattern."""
    if n_clusters is None:
        return _each("bits", bits, 1, 16, lambda value: 1 << value)
    if bits != 5:
        raise ValueError("Give `bits` or `n_clusters`, not both.")
    return _each("n_clusters", n_clusters, 2, _MAX_CODES, int)


def _each(
    name: str, setting: int | Mapping[str, int], least: int, most: int, convert: Any
) -> int | dict[str, int]:
    """Checks and converts a setting, or every setting of a mapping."""
    if isinstance(setting, Mapping):
        return {
            pattern: _each(name, value, least, most, convert)  # type: ignore[misc]
            for pattern, value in setting.items()
        }
    return int(convert(_check_integer(name, setting, least, most)))


def _check_integer(name: str, setting: Any, least: int, most: int) -> int:
    if isinstance(setting, bool) or not isinstance(setting, int | np.integer):
        raise TypeError(f"`{name}` must be an integer. Received: {name}={setting!r}")
    if not least <= setting <= most:
        raise ValueError(
            f"`{name}` must be in {least} to {most:,}. Received: {name}={setting!r}"
        )
    return int(setting)


def _check_known(name: str, setting: Any, known: tuple[Any, ...]) -> None:
    if setting not in known:
        raise ValueError(
            f"`{name}` must be one of {known}. Received: {name}={setting!r}"
        )
