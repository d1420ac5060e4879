import { useOurPreTokenizers, type PreTokenizer } from '../../../models/tokenizers/preTokenizers';
// words that the tokenizers library makes of texts: test/goldens/ggufModels.py
import golden from '../../goldens/ggufModels/wordSplits.json';

const { Tokenizer: TokenizerClass } = require('@huggingface/tokenizers') as {
  Tokenizer: new (json: object, config: object) => { pre_tokenizer: PreTokenizer };
};

function splitter(config: object): PreTokenizer {
  const rest = { added_tokens: [], normalizer: null, post_processor: null, decoder: null };
  const { pre_tokenizer } = new TokenizerClass({ ...rest, pre_tokenizer: config, model: { type: 'BPE', vocab: {}, merges: [] } }, {});
  useOurPreTokenizers(pre_tokenizer, config);
  return pre_tokenizer;
}
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
const byDigit = { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel] };

test.each<[string, object, unknown]>([
  ['GPT-2: white space is not what JavaScript takes for it', byteLevel, golden['gpt-2']],
  ['SmolLM2 and Command R: digits of every script stand alone', byDigit, golden.smollm],
])('%s', (_name, config, cases) => {
  const own = splitter(config);
  for (const [text, words] of cases as [string, string[]][]) {
    if (text !== '') expect([text, own.pre_tokenize_text(text)]).toEqual([text, words]);
  }
});

test('digits together', () => {
  expect(splitter({ type: 'Digits', individual_digits: false }).pre_tokenize_text('a12٣ x²')).toEqual(['a', '12٣', ' x', '²']);
});
