"""python3 test/goldens/logisticRegression.py > test/goldens/logisticRegression.json

Standardised L2 logistic regression of scikit-learn, and areas under the ROC curve with ties.
"""
import json
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(0)
cases = []
for rows, width, c in [(60, 5, 1.0), (40, 8, 0.01), (30, 12, 100.0)]:
    x = (rng.normal(size=(rows, width)) * rng.uniform(0.1, 20, width) + rng.normal(size=width) * 5).round(4)
    x[:, 2] = 3  # a constant column
    y = (x @ rng.normal(size=width) / 10 + rng.normal(size=rows) * 2 > np.median(x @ rng.normal(size=width) / 10)).astype(int)
    y[:2] = [0, 1]
    scaled = StandardScaler().fit(x)
    fit = LogisticRegression(C=c, tol=1e-10, max_iter=10000).fit(scaled.transform(x), y)
    cases.append({
        "width": width, "c": c, "features": x.ravel().tolist(), "labels": y.tolist(),
        "mean": scaled.mean_.tolist(), "scale": scaled.scale_.tolist(),
        "weights": fit.coef_[0].tolist(), "bias": float(fit.intercept_[0]),
        "probabilities": fit.predict_proba(scaled.transform(x))[:, 1].tolist(),
    })
scores = rng.integers(0, 6, 50) / 5
labels = (scores + rng.normal(size=50) > 0.5).astype(int)
print(json.dumps({"cases": cases, "auc": {"scores": scores.tolist(), "labels": labels.tolist(), "auc": float(roc_auc_score(labels, scores))}}))
