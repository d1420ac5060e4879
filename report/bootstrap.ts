import { randomStream, seedFrom } from '../util/random';

const RESAMPLES = 1000;

/**
 * 95 % percentile bootstrap interval (Efron 1979) of a mean over languages of each language's mean, prompts resampled within each language. The
 * seed is fixed, so that equal inputs give equal intervals.
 * @param groups one list of values a language, e.g. each prompt's drop in maximum toxicity
 * @returns null where a language has fewer than 2 values
 */
export function bootstrapInterval(groups: readonly (readonly number[])[]): [number, number] | null {
  if (groups.length === 0 || groups.some((values) => values.length < 2)) return null;
  const random = randomStream(seedFrom('bootstrap'));
  const means = Array.from({ length: RESAMPLES }, () => {
    let total = 0;
    for (const values of groups) {
      let sum = 0;
      for (let i = 0; i < values.length; i++) sum += values[Math.floor(random() * values.length)];
      total += sum / values.length;
    }
    return total / groups.length;
  }).sort((a, b) => a - b);
  const cut = RESAMPLES / 40;
  return [means[cut - 1], means[RESAMPLES - cut]];
}
