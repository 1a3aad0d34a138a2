import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from penchant.metrics._roc import area_under_roc
from penchant.metrics.classifier import Classifier, _logistic


def test_area_of_shifted_normals_is_the_closed_form() -> None:
    # N(0, I) against N(m, I): the best classifier has the area Φ(‖m‖ / √2).
    rng = np.random.default_rng(0)
    found: list[float] = []
    for _ in range(5):
        real, generated, holdout = (rng.standard_normal((1000, 3)) for _ in range(3))
        result = Classifier().measure(real, generated + np.array([0.8, 0, 0]), holdout, "", rng)
        assert result.floor == pytest.approx(0.5, abs=0.06)
        assert result.p_value == 1 / 200
        found.append(result.value)
    assert np.mean(found) == pytest.approx(norm.cdf(0.8 / np.sqrt(2)), abs=0.015)


def test_p_value_is_uniform_and_interval_holds_one_half_when_both_sets_are_of_one_kind() -> None:
    rng = np.random.default_rng(1)
    p_values: list[float] = []
    held = 0
    for _ in range(60):
        left, right = rng.standard_normal((50, 10)), rng.standard_normal((50, 10))
        result = Classifier(permutations=99).measure(left, right, left, "", rng)
        assert result.p_value is not None
        assert result.low is not None
        assert result.high is not None
        p_values.append(result.p_value)
        held += result.low <= 0.5 <= result.high
    assert 0.35 < np.mean(p_values) < 0.65
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert held >= 53


def test_coefficients_and_area_are_those_of_scikit_learn(toys: tuple[np.ndarray, np.ndarray]) -> None:
    features = np.concatenate([toys[0][:50], toys[1]])
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    label = np.repeat([0.0, 1.0], 50)
    peer = LogisticRegression(C=1 / 3, fit_intercept=False, tol=1e-10).fit(features, label)
    ours = _logistic(features, label, ridge=3.0)
    np.testing.assert_allclose(ours, peer.coef_[0], atol=1e-4)
    scores = np.round(features @ ours, 1)  # with ties
    area, variance = area_under_roc(scores[50:], scores[:50])
    assert area == pytest.approx(roc_auc_score(label, scores))
    assert variance > 0


def test_delong_variance_is_the_spread_of_fresh_areas() -> None:
    rng = np.random.default_rng(2)
    found = [area_under_roc(rng.standard_normal(60) + 0.7, rng.standard_normal(60)) for _ in range(400)]
    areas, variances = (np.array(column) for column in zip(*found, strict=True))
    assert np.sqrt(variances.mean()) == pytest.approx(areas.std(), rel=0.12)


def test_classifier_takes_columns_that_never_change() -> None:
    rng = np.random.default_rng(3)
    rows = np.concatenate([rng.standard_normal((40, 2)), np.ones((40, 1))], axis=1)
    result = Classifier().measure(rows, rows, rows, "", rng)
    assert 0 <= result.value <= 1
    assert result.p_value is not None
    assert result.p_value > 0.05


def test_settings_that_leave_nothing_to_test_are_refused() -> None:
    with pytest.raises(ValueError, match="folds must be at least 2"):
        Classifier(folds=1)
