"""Matrices pruned and shared, against brute force."""

from itertools import product

import numpy as np
import pytest

from deepcompress.calibration import solving
from deepcompress.calibration.solving import Problem, losses, problem, prune, share
from deepcompress.clustering.clusters import cluster


def some_problem(n=6, outputs=3, groups=1, seed=0, samples=40):
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(groups, n, n))
    rows = rng.normal(size=(samples, groups, n)) @ mixed[0] if groups == 1 else None
    if rows is None:
        rows = np.einsum("rgi,gij->rgj", rng.normal(size=(samples, groups, n)), mixed)
    kernel = rng.normal(size=(groups, n, outputs))
    moments = np.einsum("rgi,rgj->gij", rows, rows) / samples
    return problem(kernel, moments, moments @ kernel)


def lowest(scores, n_left):
    keep = np.zeros(scores.size, bool)
    keep[np.argsort(scores, axis=None, kind="stable")[scores.size - n_left :]] = True
    return keep.reshape(scores.shape)


def best_with(own, keep):
    """The least distance of weights that are zero where they are not kept."""
    total = 0.0
    for group, moments in enumerate(own.moments):
        root = np.linalg.cholesky(moments).T
        for output in range(own.kernel.shape[2]):
            at = keep[group, :, output]
            wanted = root @ own.target[group, :, output]
            found = np.linalg.lstsq(root[:, at], wanted, rcond=None)[0]
            total += float(np.sum((root[:, at] @ found - wanted) ** 2))
    return total


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("n_kept", [2, 5, 9])
def test_weights_that_are_left_make_up_for_the_others(groups, n_kept):
    own = some_problem(groups=groups)
    prune(own, n_kept, lowest)
    assert np.count_nonzero(own.kernel) == n_kept
    assert own.distance() == pytest.approx(best_with(own, own.kernel != 0))


def test_score_is_what_the_distance_rises_by():
    own = some_problem()
    keep = lowest(np.abs(own.kernel), 12)
    values, scores = solving._solved(own, own.kernel, keep)
    before = best_with(own, keep)
    for at in zip(*np.nonzero(keep), strict=True):
        without = keep.copy()
        without[at] = False
        rise = best_with(own, without) - before
        assert scores[at] == pytest.approx(rise, rel=1e-3)  # in single precision
    assert (values[~keep] == 0).all()


def test_scores_that_single_precision_does_not_tell_are_told_by_double():
    moments = np.array([[1.0, 1 - 1e-9], [1 - 1e-9, 1.0]])
    _, diagonal = solving._solution(moments, np.ones(2), is_scored=True)
    assert diagonal == pytest.approx(np.diag(np.linalg.inv(moments)), rel=1e-3)


def test_some_outputs_tell_what_pruning_costs():
    rng = np.random.default_rng(0)
    n = 3 * solving._MOST_OUTPUTS
    inputs = rng.normal(size=(400, 10)) @ rng.normal(size=(10, 10))
    moments = (inputs.T @ inputs / 400)[None]
    kernel = rng.normal(size=(1, 10, n))
    own = solving.problem(kernel, moments, moments @ kernel)
    (found,), half = solving.losses(own, [0.5])
    prune(own, 5 * n, lowest)
    assert found == pytest.approx(own.distance(), rel=0.3)
    is_changed = (half.kernel != kernel).any((0, 1))
    assert is_changed.sum() == solving._MOST_OUTPUTS
    assert half.distance() == pytest.approx(found / 3, rel=1e-3)


def test_choice_is_among_the_best_tenth_there_is_on_average():
    ranks = []
    for seed in range(20):
        own = some_problem(n=8, outputs=1, seed=seed)
        prune(own, 4, lowest)
        every = [
            best_with(own, np.array(bits, bool).reshape(1, 8, 1))
            for bits in product([0, 1], repeat=8)
            if sum(bits) == 4
        ]
        ranks.append(np.mean(np.array(every) < own.distance() - 1e-9))
    assert np.mean(ranks) < 0.1


def test_large_kernel_is_solved_by_sweeps(monkeypatch):
    exact, own = some_problem(n=30, outputs=8), some_problem(n=30, outputs=8)
    prune(exact, 100, lowest)
    monkeypatch.setattr(solving, "_MOST_MULTIPLICATIONS", 0.0)
    prune(own, 100, lowest)
    magnitude = np.where(lowest(np.abs(own.target), 100), own.target, 0.0)
    by_magnitude = Problem(magnitude, own.target, own.moments)
    assert np.count_nonzero(own.kernel) == 100
    assert own.distance() < 0.5 * by_magnitude.distance()
    assert own.distance() < 3 * exact.distance()


def test_zeros_of_a_pruned_kernel_stay():
    own = some_problem()
    own.kernel[0, ::2] = 0
    prune(own, 7, lowest)
    assert (own.kernel[0, ::2] == 0).all()
    assert np.count_nonzero(own.kernel) == 7


def test_inputs_by_themselves_do_not_make_up_for_each_other():
    kernel = np.array([[[1.0, 2.0], [3.0, 0.5]]])
    own = Problem(kernel, kernel, np.array([[1.0, 100.0]]))
    prune(own, 2, lowest)
    np.testing.assert_array_equal(own.kernel, [[[0, 0], [3.0, 0.5]]])


def test_losses_rise_as_weights_go():
    own = some_problem(n=20, outputs=10)
    before = own.kernel.copy()
    distances, half = losses(own, (0.8, 0.5, 0.2, 0.05))
    assert distances == sorted(distances)
    assert distances[0] > 0
    assert np.count_nonzero(half.kernel) == 100
    assert half.distance() == pytest.approx(distances[1])
    np.testing.assert_array_equal(own.kernel, before)


def shared(bits):
    def start(kernel, weights):
        return cluster(kernel, 1 << bits, init="optimal", curvature=weights).values()

    return start


@pytest.mark.parametrize("groups", [1, 4])
def test_shared_kernel_is_nearer_than_by_k_means(groups):
    own = some_problem(n=24, outputs=16, groups=groups)
    prune(own, own.kernel.size // 2, lowest)
    keep = own.kernel != 0
    weights = np.broadcast_to(own.diagonal[..., None], keep.shape)
    plain = Problem(shared(3)(own.kernel, weights), own.target, own.moments)
    share(own, shared(3))
    assert len(np.unique(own.kernel)) <= 8
    np.testing.assert_array_equal(own.kernel != 0, keep)
    assert own.distance() < 0.9 * plain.distance()


def n_bits(kernel):
    """Of which weights are zero, and of the codes of the others."""

    def entropy(counts):
        shares = counts / counts.sum()
        return -(shares * np.log2(shares)).sum()

    kept = kernel[kernel != 0]
    places = np.array([len(kept), kernel.size - len(kept)])
    codes = np.unique(kept, return_counts=True)[1]
    return kernel.size * entropy(places) + len(kept) * entropy(codes)


def test_what_does_not_pay_becomes_zero():
    found = []
    for price in (0.02, 0.1, 0.5):
        own = some_problem(n=48, outputs=40)
        prune(own, own.kernel.size // 2, lowest)
        were_zero = own.kernel == 0
        share(own, shared(3), entropy_weight=price)
        assert (own.kernel[were_zero] == 0).all()
        found.append((n_bits(own.kernel), own.distance(), np.count_nonzero(own.kernel)))
    for at, column in enumerate(zip(*found, strict=True)):
        assert list(column) == sorted(column, reverse=at != 1)
        assert len(set(column)) == len(column)
    # It is nearer than what is pruned to as many bits and shared.
    bits, distance, _ = found[1]
    pruned = []
    for n_kept in range(200, 900, 25):
        own = some_problem(n=48, outputs=40)
        prune(own, n_kept, lowest)
        share(own, shared(3))
        if n_bits(own.kernel) >= bits:
            pruned.append((n_bits(own.kernel), own.distance()))
    assert distance < 0.9 * min(pruned)[1]


@pytest.mark.parametrize("price", [1e3, 1e30])
def test_a_kernel_of_which_nothing_pays_is_left_some_weights(price):
    own = some_problem(n=12, outputs=8)
    share(own, shared(2), entropy_weight=price)
    assert own.kernel.any()
    assert np.isfinite(own.kernel).all()


def test_no_centroid_can_be_bettered():
    own = some_problem(n=12, outputs=8)
    share(own, shared(2))
    at_best = own.distance()
    for value in np.unique(own.kernel[own.kernel != 0]):
        for factor in (0.99, 1.01):
            moved = np.where(own.kernel == value, factor * value, own.kernel)
            assert Problem(moved, own.target, own.moments).distance() >= at_best


def test_centroids_have_few_digits():
    own = some_problem(n=12, outputs=8)
    share(own, shared(2), lambda centers: np.round(centers, 1))
    values = np.unique(own.kernel)
    np.testing.assert_allclose(values, np.round(values, 1))


def test_kernel_of_few_values_keeps_them():
    kernel = np.array([[[1.0], [2.0]]])
    own = Problem(kernel, kernel, np.eye(2)[None])
    share(own, shared(4))
    np.testing.assert_array_equal(own.kernel, kernel)


def test_inputs_that_are_always_zero_do_no_harm():
    moments = np.zeros((1, 3, 3))
    kernel = np.ones((1, 3, 2))
    own = problem(kernel, moments, moments @ kernel)
    np.testing.assert_allclose(own.target, kernel)
    prune(own, 3, lowest)
    assert np.isfinite(own.kernel).all()


def test_inputs_that_hardly_differ_can_be_shared_for():
    rng = np.random.default_rng(0)
    moments = 1e-30 * (np.eye(6) + 1e10 * np.ones((6, 6)))[None]
    kernel = rng.normal(size=(1, 6, 5))
    own = solving.Problem(kernel, kernel, moments)
    share(own, lambda values, weights: np.round(values))
    assert len(np.unique(own.kernel)) <= len(np.unique(np.round(kernel)))
    assert np.isfinite(own.kernel).all()
