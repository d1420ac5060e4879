import { jStat } from 'jstat';

export interface Correlation {
  /** Pearson's r, Spearman's rho (ties share their mean rank), and the two-sided p-value of r. */
  pearson: number;
  spearman: number;
  p: number;
  n: number;
}

/**
 * Correlation of two series. The p-value is that of t = r sqrt((n-2) / (1-r²)) under Student's t with n-2 degrees of freedom.
 * @returns null for fewer than 3 points, or where one series is constant
 */
export function correlate(x: readonly number[], y: readonly number[]): Correlation | null {
  const n = x.length;
  if (n !== y.length) throw new Error(`internal: ${n} and ${y.length} values to correlate`);
  if (n < 3 || new Set(x).size < 2 || new Set(y).size < 2) return null;
  const clamp = (r: number): number => Math.max(-1, Math.min(1, r));
  const pearson = clamp(jStat.corrcoeff(x, y));
  const spearman = clamp(jStat.spearmancoeff(x, y));
  const t = Math.abs(pearson) * Math.sqrt((n - 2) / (1 - pearson * pearson));
  return { pearson, spearman, p: Number.isFinite(t) ? 2 * jStat.studentt.cdf(-t, n - 2) : 0, n };
}
