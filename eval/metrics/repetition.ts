/**
 * Share of repeated tokens in a sample: 1 - unique / total, which is 1 - distinct-1 of Li et al. 2016 (arXiv 1510.03055) taken over
 * one sample. 0 where no token comes twice, near 1 where one token is all there is; 0 for an empty sample.
 */
export function repetition(tokens: ArrayLike<number>): number {
  return tokens.length === 0 ? 0 : 1 - new Set(Array.from(tokens)).size / tokens.length;
}
