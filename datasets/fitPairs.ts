import { UserError } from '../util/errors';
import { cutSides, truncatePair } from './truncatePair';
import type { PreferencePair, RenderedPair, TokenizedPair } from './types';

/** Bounds on pairs; 0 or absent: none. */
export interface PairBounds {
  /** Pairs with more characters in prompt and completion together, on either side, are left out. */
  maxCharacters?: number;
  /** Longer prompts lose their start, longer completions their end. */
  maxPromptLength?: number;
  maxCompletionLength?: number;
  /** Longer pairs are cut to this many tokens (`truncatePair`), or left out where the prompt alone fills them. */
  maxLength?: number;
}

/** A pair that stays, and its place in the list. */
export interface FittedPair {
  place: number;
  pair: TokenizedPair;
}

/**
 * Cuts pairs to the bounds, and leaves out those that cannot be.
 * @param pairs as text  @param tokenized the same, as token ids  @param source where they come from, for messages
 * @param say told how many pairs were cut or left out, and by which bound
 * @throws UserError when no pair is left
 */
export function fitPairs(
  pairs: readonly (PreferencePair | RenderedPair)[],
  tokenized: readonly TokenizedPair[],
  { maxCharacters = 0, maxPromptLength = 0, maxCompletionLength = 0, maxLength = 0 }: PairBounds,
  source: string,
  say: (line: string) => void = () => {},
): FittedPair[] {
  const short = [...pairs.keys()].filter((place) => maxCharacters === 0 || hasAtMost(pairs[place], maxCharacters));
  const cut = short.map((place) => cutSides(tokenized[place], maxPromptLength, maxCompletionLength));
  const fitted = cut.map((pair) => truncatePair(pair, maxLength));
  const count = (test: (i: number) => boolean): number => short.filter((_, i) => test(i)).length;
  const wide = pairs.length - short.length;
  if (wide > 0) say(`${source}: ${wide} pairs were left out: they have more than ${maxCharacters} characters (--max-characters)`);
  const prompts = count((i) => cut[i].prompt !== tokenized[short[i]].prompt);
  if (prompts > 0)
    say(`${source}: ${prompts} prompts are longer than ${maxPromptLength} tokens and lost their start (--max-prompt-length)`);
  const ends = count((i) => cut[i].chosen !== tokenized[short[i]].chosen || cut[i].rejected !== tokenized[short[i]].rejected);
  if (ends > 0)
    say(
      `${source}: ${ends} pairs have completions longer than ${maxCompletionLength} tokens, which lost their end (--max-completion-length)`,
    );
  const long = count((i) => fitted[i] !== null && fitted[i] !== cut[i]);
  if (long > 0) say(`${source}: ${long} pairs are longer than ${maxLength} tokens and were cut (--max-length)`);
  const full = count((i) => fitted[i] === null);
  if (full > 0) say(`${source}: ${full} pairs were left out: their prompt alone has ${maxLength} tokens or more (--max-length)`);
  if (pairs.length > 0 && full === short.length)
    throw new UserError(
      short.length === 0
        ? `${source}: no pair is left: every one has more than ${maxCharacters} characters (--max-characters)`
        : `${source}: no pair is left: ${wide === 0 ? 'every prompt' : 'the prompt of every other'} alone has ${maxLength} tokens or more (--max-length)`,
    );
  return fitted.flatMap((pair, i) => (pair === null ? [] : [{ place: short[i], pair }]));
}

/** Whether prompt and completion together have at most so many characters (code points) on both sides. */
function hasAtMost(pair: PreferencePair | RenderedPair, most: number): boolean {
  const sides =
    'promptChosen' in pair ? [pair.promptChosen, pair.promptRejected] : [pair.prompt + pair.chosen, pair.prompt + pair.rejected];
  // a code point is one or two units
  return sides.every((text) => text.length <= most || (text.length <= 2 * most && [...text].length <= most));
}
