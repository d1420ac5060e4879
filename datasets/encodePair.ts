import type { TextTokenizer } from '../models/tokenizer';
import type { PreferencePair, RenderedPair, TokenizedPair } from './types';

/** Part of every tokenised cache's key: raise it when `encodePair` changes what it gives. */
export const ENCODING_VERSION = 4;

/**
 * Token ids of a pair, as TRL 1.16's DPOTrainer makes them: prompt, prompt + chosen and prompt + rejected are each tokenised
 * whole, and the completions start where the three part. That is before the prompt's end where its last letters merge with
 * the completion's first ones. A beginning-of-sequence token comes from the tokenizer's own template; each completion
 * ends with one end-of-sequence token (TRL gives two where the template adds one as well). A rendered conversation gets
 * neither: its chat template has written all that belongs there.
 */
export function encodePair(tokenizer: TextTokenizer, pair: PreferencePair | RenderedPair): TokenizedPair {
  const [prompt, chosen, rejected] = 'promptChosen' in pair ? encodeRendered(tokenizer, pair) : encodeText(tokenizer, pair);
  const shared = Math.min(commonPrefix(prompt, chosen), commonPrefix(prompt, rejected));
  return {
    prompt: Int32Array.from(prompt.slice(0, shared)),
    chosen: Int32Array.from(chosen.slice(shared)),
    rejected: Int32Array.from(rejected.slice(shared)),
  };
}

function encodeText(tokenizer: TextTokenizer, pair: PreferencePair): number[][] {
  const wholes = [pair.chosen, pair.rejected].map((completion) => {
    const ids = tokenizer.encode(pair.prompt + completion, { specialTokens: true });
    return ids.at(-1) === tokenizer.eosId ? ids : [...ids, tokenizer.eosId];
  });
  return [tokenizer.encode(pair.prompt, { specialTokens: true }), ...wholes];
}

function encodeRendered(tokenizer: TextTokenizer, { prompt, promptChosen, promptRejected }: RenderedPair): number[][] {
  return [prompt, promptChosen, promptRejected].map((text) => tokenizer.encode(text));
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let n = 0;
  while (n < most && a[n] === b[n]) n++;
  return n;
}
