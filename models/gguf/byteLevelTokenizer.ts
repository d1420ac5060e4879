import { lookup } from '../../util/suggest';
import { splitMerges, vocabularyIds, vocabularyObject, type GgufVocabulary, type TokenizerPipeline } from './vocabulary';
import { WORD_SPLITS, wordSplitter } from './wordSplits';

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
 * BPE over bytes, merges from the metadata, text cut into words as `tokenizer.ggml.pre` says: GPT-2's tokenizer and its many kin.
 * @throws UserError for a `tokenizer.ggml.pre` that is not known
 */
export function byteLevelPipeline({ metadata, tokens }: GgufVocabulary): TokenizerPipeline {
  const split = lookup(WORD_SPLITS, metadata.text('tokenizer.ggml.pre', 'default'), `tokenizer.ggml.pre in ${metadata.path}`);
  const ids = vocabularyIds(
    tokens.map((token) => (isSpelledInBytes(token) ? token : [...Buffer.from(token)].map((byte) => BYTE_LETTERS[byte]).join(''))),
  );
  return {
    normalizer: split.composes ? { type: 'NFC' } : null,
    preTokenizer: wordSplitter(split),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: split.ignoresMerges ?? false,
      vocab: vocabularyObject(ids),
      merges: splitMerges(metadata, ids),
    },
    ids,
    // a control token in other letters is a mislabelled one
    isControl: isSpelledInBytes,
    addBosByDefault: split.addsBos ?? false,
  };
}
