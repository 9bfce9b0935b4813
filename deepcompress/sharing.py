"""Stage 2: weight sharing, by k-means for each tensor, with trained centroids."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import keras
import numpy as np

from deepcompress.coding.codebook import shared_values
from deepcompress.kmeans import kmeans1d
from deepcompress.tying import Gradient, MaskTie, SharingTie, Tie, TieSet, scatter
from deepcompress.variables import NamedVariable, choose

Init = Literal["linear", "density", "random", "kmeans++", "optimal"]
_MAX_CODES = 1 << 16


class WeightSharingQuantizer(keras.callbacks.Callback):
    """Lets the weights of a tensor share few values, and trains these.

    When a training begins, the surviving weights of every kernel and embedding are
    clustered by k-means, each tensor by itself, and every weight takes the value of
    its centroid. During the training the members of a cluster stay equal while the
    centroid moves. Zeros of a pruned tensor stay zero and cost one code. Biases,
    normalization parameters and what is not trainable are left alone.

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
        seed: Seed of `"random"` and `"kmeans++"`; `None` draws anew each time, which
            several processes that train one model must not do. Defaults to `0`.
        verbose: `1` prints what was shared. Defaults to `0`.

    Raises:
        ValueError: `bits` is outside 1 to 16, `n_clusters` outside 2 to 65,536,
            `init` or `gradient` is not known; or, when the training begins, a
            pattern matches no layer or a weight is not finite.

    References:
        Han, Mao, Dally 2016, "Deep Compression", section 3.

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
        seed: int | None = 0,
        verbose: int = 0,
    ) -> None:
        super().__init__()
        if init not in get_args(Init):
            raise ValueError(
                f"`init` must be one of {get_args(Init)}. Received: init={init!r}"
            )
        if gradient not in get_args(Gradient):
            raise ValueError(
                f"`gradient` must be one of {get_args(Gradient)}. "
                f"Received: gradient={gradient!r}"
            )
        self._n_codes = _n_codes(bits, n_clusters)
        self._layers = layers
        self._init = init
        self._gradient: Gradient = gradient
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
            named, clusters = found.pop()
            named.variable.assign(clusters.values())

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Shares the weights and takes hold of them."""
        strategy = getattr(self.model, "distribute_strategy", None)
        if self._gradient == "sum" and getattr(strategy, "num_replicas_in_sync", 1) > 1:
            raise ValueError(
                "`gradient='sum'` does not work with several replicas, each of which "
                "would move the centroids. Use `gradient='mean'`."
            )
        clusters = self._clusters(self.model)
        self._shared = [named for named, _ in clusters]
        self._ties = TieSet(self.model, self)
        for named, shared in clusters:
            inner = self._ties.inner(named.variable)
            named.variable.assign(shared.values())
            self._ties.attach(named.variable, self._tie(shared, inner))
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
            self._ties.detach()
            self._ties = None

    def _tie(self, shared: "_Clusters", inner: Any | None) -> Tie:
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

    def _clusters(self, model: keras.Model) -> list[tuple[NamedVariable, "_Clusters"]]:
        """Clusters every chosen tensor, before any is changed."""
        found = []
        unshared = []
        for named, n_codes in choose(model, self._n_codes, self._layers):
            value = named.numpy()
            clusters = self._cluster(value, n_codes)
            if not clusters.is_shared and clusters.positions is None:
                unshared.append(named.name)
                continue
            found.append((named, clusters))
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

    def _cluster(self, value: np.ndarray, n_codes: int) -> "_Clusters":
        positions = np.flatnonzero(value)
        survivors = value.ravel()[positions]
        n_centers = n_codes - (len(positions) < value.size)
        few = shared_values(survivors.view(f"u{value.itemsize}"), n_centers)
        if few is not None:
            distinct, codes = np.unique(
                few.codebook.view(value.dtype), return_inverse=True
            )
            codes = codes[few.codes]
        else:
            exact = np.float64 if value.dtype.itemsize == 8 else np.float32
            centers, codes, _ = kmeans1d(
                survivors.astype(exact), n_centers, init=self._init, seed=self._seed
            )
            # A dtype with few digits can make two centroids one.
            rounded, merged = np.unique(
                centers.astype(value.dtype), return_inverse=True
            )
            distinct, codes = rounded, merged[codes]
        return _Clusters(
            shape=value.shape,
            positions=None
            if len(positions) == value.size
            else positions.astype("int32"),
            codes=codes.astype("int32"),
            centers=distinct,
        )


@dataclass
class _Clusters:
    """A tensor's surviving weights, each with its centroid."""

    shape: tuple[int, ...]
    positions: np.ndarray | None
    codes: np.ndarray
    centers: np.ndarray

    @property
    def is_shared(self) -> bool:
        """Whether two weights have one value that is not zero."""
        return len(self.codes) > len(self.centers)

    def values(self) -> np.ndarray:
        """Returns the tensor with every weight at its centroid."""
        return scatter(self.centers[self.codes], self.positions, self.shape)


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
    if isinstance(setting, bool) or not isinstance(setting, int | np.integer):
        raise TypeError(f"`{name}` must be an integer. Received: {name}={setting!r}")
    if not least <= setting <= most:
        raise ValueError(
            f"`{name}` must be in {least} to {most:,}. Received: {name}={setting!r}"
        )
    return int(convert(setting))
