/** The part of jStat (which brings no types) that the report uses. */
declare module 'jstat' {
  export const jStat: {
    studentt: { /** P(T <= t) for Student's t with `degrees` degrees of freedom. */ cdf(t: number, degrees: number): number };
    mean(values: readonly number[]): number;
    /** Pearson's r. */
    corrcoeff(x: readonly number[], y: readonly number[]): number;
    /** Spearman's rho: Pearson's r of the ranks, ties sharing the mean of theirs. */
    spearmancoeff(x: readonly number[], y: readonly number[]): number;
  };
}
