"""Prioritised replay (Schaul et al. 2016) by hand and by frequencies."""

import numpy as np
import pytest

from reactvec.algorithms.draws import Draws
from reactvec.algorithms.priorities import Priorities


def learned(errors, alpha=1.0, epsilon=1e-6):
    """Priorities of places that have these errors."""
    priorities, places = Priorities(len(errors) + 3, alpha, epsilon), np.arange(len(errors))
    priorities.replace(places, np.arange(0))
    priorities.learn(places, np.array(errors, np.float32))
    return priorities


def luck(count, size):
    return Draws(3, "test").uniform(np.arange(count)[:, None], np.arange(size))


def test_priorities_by_hand():
    priorities = learned([3.0, -1.0, 0.0], alpha=0.5, epsilon=1.0)  # p = 4, 2, 1
    np.testing.assert_allclose(priorities.tree.priorities, [2, 2**0.5, 1, 0, 0, 0])


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_frequencies_are_the_probabilities(alpha):
    errors = np.array([0.1, 4.0, 1.0, 0.5, 2.0])
    priorities = learned(errors, alpha)
    drawn = priorities.draw(luck(20_000, 4))
    assert drawn.shape == (20_000, 4)
    frequencies = np.bincount(drawn.reshape(-1), minlength=8) / drawn.size
    expected = (errors + 1e-6) ** alpha
    np.testing.assert_allclose(frequencies[:5], expected / expected.sum(), atol=0.005)
    assert not frequencies[5:].any()  # never stored


def test_draws_are_stratified():
    """Each of n draws has an n-th part of the total for itself."""
    priorities = learned([1.0] * 8, epsilon=1e-9)
    drawn = priorities.draw(luck(50, 8))
    np.testing.assert_array_equal(drawn, np.tile(np.arange(8), (50, 1)))


def test_importance_weights_by_hand():
    priorities = learned([1.0, 2.0, 4.0], epsilon=1e-9)
    places = np.array([[0, 1], [2, 2]])
    np.testing.assert_allclose(priorities.weights(places, 1.0), [[1, 0.5], [0.25, 0.25]], rtol=1e-6)
    np.testing.assert_allclose(priorities.weights(places, 0.5), [[1, 0.5**0.5], [0.5, 0.5]], rtol=1e-6)
    np.testing.assert_array_equal(priorities.weights(places, 0.0), np.ones((2, 2)))
    assert priorities.weights(places, 1.0).dtype == np.float32


def test_weights_make_up_for_the_probabilities():
    """With beta = 1 a weighted mean over draws is, but for a constant, the mean over all places."""
    values, errors = np.array([1.0, -2.0, 5.0, 7.0]), np.array([4.0, 1.0, 0.2, 2.0])
    priorities = learned(errors, alpha=0.7)
    drawn = priorities.draw(luck(20_000, 4)).reshape(-1)
    weights = priorities.weights(drawn, 1.0)
    assert np.average(values[drawn], weights=weights) == pytest.approx(values.mean(), abs=0.05)


def test_new_places_get_the_largest_priority_so_far_and_dropped_ones_none():
    priorities = Priorities(6, 0.5, 1e-6)
    priorities.replace(np.array([0, 1]), np.array([4, 5]))
    assert priorities.tree.priorities.tolist() == [1, 1, 0, 0, 0, 0]
    priorities.learn(np.array([0]), np.array([9.0]))
    priorities.learn(np.array([0]), np.array([0.25]))
    priorities.replace(np.array([2]), np.array([1]))
    np.testing.assert_allclose(priorities.tree.priorities, [0.5, 0, 3, 0, 0, 0], rtol=1e-5)


def test_of_a_place_that_was_drawn_twice_the_last_error_counts():
    priorities = learned([1.0, 1.0], epsilon=1e-9)
    priorities.learn(np.array([[0, 1], [0, 0]]), np.array([[5.0, 3.0], [6.0, -2.0]]))
    np.testing.assert_allclose(priorities.tree.priorities[:2], [2, 3])
    assert priorities.largest == pytest.approx(6)
