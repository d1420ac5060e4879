import { UserError } from '../../util/errors';
import { splitMerges, vocabularyIds, vocabularyObject, type GgufVocabulary, type TokenizerPipeline } from './vocabulary';

/** Values of `tokenizer.ggml.pre` under which text is split by GPT-2's regular expression (llama.cpp, llama-vocab.cpp). */
const GPT2_SPLITS = ['default', 'gpt-2', 'phi-2', 'jina-es', 'jina-de', 'mpt', 'olmo', 'jais'];

/** GPT-2's letters for bytes: printable ones stand for themselves, the others follow from U+0100. */
const BYTE_LETTERS: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printable ? byte : next++);
  });
})();
const LETTERS = new Set(BYTE_LETTERS);

const isSpelledInBytes = (token: string): boolean => [...token].every((letter) => LETTERS.has(letter));

/**
 * GPT-2's tokenizer: BPE over bytes, merges from the metadata.
 * @throws UserError for a `tokenizer.ggml.pre` that splits text otherwise
 */
export function byteLevelPipeline({ metadata, tokens }: GgufVocabulary): TokenizerPipeline {
  const split = metadata.text('tokenizer.ggml.pre', 'default');
  if (!GPT2_SPLITS.includes(split))
    throw new UserError(`${metadata.path}: tokenizer.ggml.pre is ${JSON.stringify(split)}; these can be read: ${GPT2_SPLITS.join(', ')}`);
  const ids = vocabularyIds(
    tokens.map((token) => (isSpelledInBytes(token) ? token : [...Buffer.from(token)].map((byte) => BYTE_LETTERS[byte]).join(''))),
  );
  return {
    normalizer: null,
    preTokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: vocabularyObject(ids),
      merges: splitMerges(metadata, ids),
    },
    ids,
    // a control token in other letters is a mislabelled one
    isControl: isSpelledInBytes,
    addBosByDefault: false,
  };
}
