import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WORD_SPLITS, wordSplitter } from '../../../models/gguf/wordSplits';

/** The package's own types resolve under ES modules alone. */
interface Tokenizer {
  pre_tokenizer: { pre_tokenize(text: string): string[] };
}
const { Tokenizer: TokenizerClass } = require('@huggingface/tokenizers') as { Tokenizer: new (json: object, config: object) => Tokenizer };

/** By `tokenizer.ggml.pre`: the words that the family's published tokenizer cuts texts into (test/goldens/ggufModels.py). */
const published = JSON.parse(readFileSync(join(__dirname, '../../goldens/ggufModels/wordSplits.json'), 'utf8')) as Record<
  string,
  [text: string, words: string[]][]
>;

test.each(Object.entries(published))('%s cuts text as the published tokenizer does', (name, cases) => {
  const split = WORD_SPLITS[name];
  const json = {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: wordSplitter(split),
    post_processor: null,
    decoder: null,
    model: { type: 'BPE', vocab: {}, merges: [] },
  };
  const { pre_tokenizer: splitter } = new TokenizerClass(json, {});
  for (const [text, words] of cases) {
    const normalised = split.composes ? text.normalize('NFC') : text;
    expect([text, normalised === '' ? [] : splitter.pre_tokenize(normalised)]).toEqual([text, words]);
  }
});

test('every name that means the same as another is one of those compared', () => {
  const patterns = new Set(Object.keys(published).map((name) => WORD_SPLITS[name].patterns.join()));
  for (const split of Object.values(WORD_SPLITS)) expect(patterns).toContain(split.patterns.join());
});
