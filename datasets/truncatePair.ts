import type { TokenizedPair } from './types';

/**
 * Cuts a pair so that prompt and completion together take at most `maxLength` tokens, as TRL 1.16 does it (`max_length`, keep_start):
 * each completion loses its end, its end-of-sequence token first; a prompt is never cut.
 * @param maxLength tokens; 0: nothing is cut
 * @returns the pair itself where it fits; null where the prompt alone fills the length, so that no completion would be left
 */
export function truncatePair(pair: TokenizedPair, maxLength: number): TokenizedPair | null {
  const room = maxLength - pair.prompt.length;
  if (maxLength === 0 || Math.max(pair.chosen.length, pair.rejected.length) <= room) return pair;
  if (room <= 0) return null;
  return { prompt: pair.prompt, chosen: pair.chosen.subarray(0, room), rejected: pair.rejected.subarray(0, room) };
}
