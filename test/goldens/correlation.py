"""python3 test/goldens/correlation.py > test/goldens/correlation.json

Pearson and Spearman correlation with p-values of scipy.stats, with and without ties.
"""
import json

from scipy import stats

SERIES = [
    ([1, 2, 2, 4, 5, 5, 7], [2, 1, 3, 3, 6, 5, 5]),
    ([0.375, 0.39, 0.51, 0.53, 0.57, 0.57, 0.71, 0.71, 0.87], [0.1, 0.05, 0.2, 0.12, 0.22, 0.3, 0.21, 0.28, 0.33]),
    ([1, 2, 3], [3, 1, 2]),
    ([1, 2, 3, 4, 5, 6], [6, 5.5, 4, 3, 2.5, 1]),
]
print(json.dumps([
    {"x": x, "y": y, "pearson": float(stats.pearsonr(x, y).statistic), "p": float(stats.pearsonr(x, y).pvalue),
     "spearman": float(stats.spearmanr(x, y).statistic)}
    for x, y in SERIES
], separators=(",", ":")))
