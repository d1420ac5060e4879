import { fitPairs, type PairBounds } from '../../datasets/fitPairs';
import type { PreferencePair, RenderedPair, TokenizedPair } from '../../datasets/types';
import { UserError } from '../../util/errors';

const ids = (first: number, count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => first + i);
const tokens = (prompt: number, chosen: number, rejected: number): TokenizedPair => ({
  ...{ prompt: ids(10, prompt), chosen: ids(20, chosen), rejected: ids(30, rejected) },
});
const fit = (pairs: (PreferencePair | RenderedPair)[], tokenized: TokenizedPair[], bounds: PairBounds) => {
  const lines: string[] = [];
  const kept = fitPairs(pairs, tokenized, bounds, 'p.jsonl', (line) => lines.push(line));
  return { lines, kept: kept.map(({ place, pair }) => [place, [...pair.prompt], [...pair.chosen], [...pair.rejected]]) };
};
const text = (prompt: string, chosen: string, rejected: string): PreferencePair => ({ prompt, chosen, rejected });

test('prompts lose their start, completions their end, each by its own bound, and lines say how many', () => {
  const pairs = [text('a', 'b', 'c'), text('d', 'e', 'f'), text('g', 'h', 'i')];
  const { kept, lines } = fit(pairs, [tokens(4, 3, 1), tokens(3, 2, 4), tokens(2, 1, 2)], { maxPromptLength: 3, maxCompletionLength: 2 });
  expect(kept).toEqual([
    [0, [11, 12, 13], [20, 21], [30]],
    [1, [10, 11, 12], [20, 21], [30, 31]],
    [2, [10, 11], [20], [30, 31]],
  ]);
  expect(lines).toEqual([
    'p.jsonl: 1 prompts are longer than 3 tokens and lost their start (--max-prompt-length)',
    'p.jsonl: 2 pairs have completions longer than 2 tokens, which lost their end (--max-completion-length)',
  ]);
});

test('they come before the bound on both together', () => {
  const { kept, lines } = fit([text('a', 'b', 'c'), text('d', 'e', 'f')], [tokens(6, 3, 1), tokens(2, 1, 1)], {
    ...{ maxPromptLength: 4, maxLength: 5 },
  });
  expect(kept).toEqual([
    [0, [12, 13, 14, 15], [20], [30]],
    [1, [10, 11], [20], [30]],
  ]);
  expect(lines.at(-1)).toBe('p.jsonl: 1 pairs are longer than 5 tokens and were cut (--max-length)');
});

test('pairs with too many characters on either side are left out; places are those in the file', () => {
  const rendered = { prompt: 'xx', promptChosen: 'xx1', promptRejected: 'xx3456' };
  // the second is five code points in ten units
  const pairs = [text('abc', 'def', 'd'), text('😀😀', '😀😀😀', '😀'), text('abc', 'd', 'def'), rendered, text('abc', 'de', 'fg')];
  const { kept, lines } = fit(
    pairs,
    pairs.map(() => tokens(1, 1, 1)),
    { maxCharacters: 5 },
  );
  expect(kept.map(([place]) => place)).toEqual([1, 4]);
  expect(lines).toEqual(['p.jsonl: 3 pairs were left out: they have more than 5 characters (--max-characters)']);
});

test.each([
  [{ maxCharacters: 1 }, 'p.jsonl: no pair is left: every one has more than 1 characters (--max-characters)'],
  [{ maxLength: 2 }, 'p.jsonl: no pair is left: every prompt alone has 2 tokens or more (--max-length)'],
  [{ maxCharacters: 3, maxLength: 2 }, 'p.jsonl: no pair is left: the prompt of every other alone has 2 tokens or more (--max-length)'],
])('%j leaves none', (bounds, message) => {
  const given = [text('a', 'b', 'c'), text('abc', 'd', 'e')];
  expect(() => fit(given, [tokens(2, 1, 1), tokens(2, 1, 1)], bounds)).toThrow(new UserError(message));
});
