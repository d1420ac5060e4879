/**
 * Area under the ROC curve: the share of (positive, negative) pairs in which the positive one scores higher, ties counting half
 * (the Mann-Whitney statistic, by mean ranks).
 * @returns NaN where one of the classes is absent
 */
export function auc(scores: ArrayLike<number>, positive: ArrayLike<number | boolean>): number {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[a] - scores[b]);
  let positives = 0;
  let rankSum = 0;
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && scores[order[end]] === scores[order[start]]) end++;
    // ranks start+1 … end share their mean
    const rank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++) {
      if (!positive[order[i]]) continue;
      positives++;
      rankSum += rank;
    }
    start = end;
  }
  const negatives = order.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
