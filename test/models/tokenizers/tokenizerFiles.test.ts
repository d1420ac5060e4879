import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadTokenizer, type TextTokenizer } from '../../../models/tokenizer';

const goldens = join(__dirname, '..', '..', 'goldens', 'tokenizerFiles');
const parallel = join(__dirname, '..', '..', '..', 'examples', 'cross-lingual-detox', 'data', 'parallel');

interface Expected {
  oracle: 'transformers' | 'sentencepiece';
  rows: { text: string; ids: number[] }[];
  digests: string[];
}

/** Lines 1 to 20 of 17 languages. */
const sentences = readdirSync(parallel)
  .filter((name) => name.endsWith('.txt'))
  .sort()
  .flatMap((name) => readFileSync(join(parallel, name), 'utf8').split(/\r?\n/).slice(0, 20));

const digest = (ids: readonly number[]): string => createHash('sha256').update(JSON.stringify(ids)).digest('hex').slice(0, 8);

describe.each(readdirSync(goldens))('%s', (name) => {
  const expected = JSON.parse(readFileSync(join(goldens, name, 'expected.json'), 'utf8')) as Expected;
  let tokenizer: TextTokenizer;
  beforeAll(async () => {
    tokenizer = await loadTokenizer(join(goldens, name));
  });
  const encode = (text: string) => tokenizer.encode(text, { specialTokens: true });

  test.each(expected.rows)(`ids of $text as ${expected.oracle} gives them`, ({ text, ids }) => {
    expect(encode(text)).toEqual(ids);
  });

  test(`ids of sentences in 17 languages as ${expected.oracle} gives them`, () => {
    expect(sentences.length).toBe(expected.digests.length);
    expect(sentences.filter((text, i) => digest(encode(text)) !== expected.digests[i])).toEqual([]);
  });

  test('decoding gives the text back', () => {
    // BERT forgets where spaces stood beside punctuation, and capitals
    const seen = (text: string): string => (name.startsWith('bert') ? text.toLowerCase().replaceAll(' ', '') : text);
    // letters of other scripts are unknown to the unigram models
    const english = sentences.slice(60, 80);
    for (const text of /t5|xlm|unigram|^bert/.test(name) ? english : sentences)
      expect(seen(tokenizer.decode(encode(text)).trim())).toBe(seen(text));
  });
});
