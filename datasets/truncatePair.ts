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

/**
 * Cuts prompt and completions to lengths of their own, as TRL 0.12 to 0.28 did it (`max_prompt_length`, `max_completion_length` of `tokenize_row`): a longer
 * prompt loses its start, its beginning-of-sequence token first, a longer completion its end.
 * @param maxPrompt tokens of the prompt; 0: it is not cut  @param maxCompletion likewise, of each completion
 * @returns parts that fit are the given ones
 */
export function cutSides(pair: TokenizedPair, maxPrompt: number, maxCompletion: number): TokenizedPair {
  const start = (ids: Int32Array): Int32Array =>
    maxCompletion === 0 || ids.length <= maxCompletion ? ids : ids.subarray(0, maxCompletion);
  const { prompt } = pair;
  return {
    prompt: maxPrompt === 0 || prompt.length <= maxPrompt ? prompt : prompt.subarray(prompt.length - maxPrompt),
    chosen: start(pair.chosen),
    rejected: start(pair.rejected),
  };
}
