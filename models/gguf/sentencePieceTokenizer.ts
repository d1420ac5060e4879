import { sentencePieceBpe, sentencePieceDecoder, UNDERLINE } from '../tokenizers/sentencePieceParts';
import { mergesFromScores } from './mergesFromScores';
import { splitMerges, vocabularyIds, vocabularyObject, type GgufVocabulary, type TokenizerPipeline } from './vocabulary';

/**
 * Gemma's tokenizer: SentencePiece BPE with byte fallback and no space put in front. Two things are not as the metadata say:
 * runs of spaces are spelled with real spaces, and merges follow the order of the tokens, not their scores.
 */
export function gemmaPipeline({ metadata, tokens }: GgufVocabulary): TokenizerPipeline {
  const ids = vocabularyIds(tokens.map((token) => (/^ +$/.test(token) ? UNDERLINE.repeat(token.length) : token)));
  const unknown = metadata.tokenId('tokenizer.ggml.unknown_token_id', tokens.length);
  const merges = metadata.has('tokenizer.ggml.merges') ? splitMerges(metadata, ids) : mergesFromScores(ids, (token) => -ids.get(token)!);
  return {
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: UNDERLINE },
    preTokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
    decoder: sentencePieceDecoder(false),
    model: sentencePieceBpe(vocabularyObject(ids), merges, unknown === undefined ? null : tokens[unknown]),
    ids,
    isControl: () => true,
    addBosByDefault: true,
  };
}

/** Llama's tokenizer: SentencePiece BPE with byte fallback, merges by score, a space in front unless the metadata say otherwise. */
export function llamaPipeline({ metadata, tokens }: GgufVocabulary): TokenizerPipeline {
  const ids = vocabularyIds(tokens);
  const prefix = metadata.flag('tokenizer.ggml.add_space_prefix', true);
  const unknown = metadata.tokenId('tokenizer.ggml.unknown_token_id', tokens.length);
  let merges: [string, string][];
  if (metadata.has('tokenizer.ggml.merges')) merges = splitMerges(metadata, ids);
  else {
    const scores = metadata.numbers('tokenizer.ggml.scores', tokens.length);
    merges = mergesFromScores(ids, (token) => scores[ids.get(token)!]);
  }
  return {
    normalizer: null,
    preTokenizer: { type: 'Metaspace', replacement: UNDERLINE, prepend_scheme: prefix ? 'first' : 'never', split: false },
    decoder: sentencePieceDecoder(prefix),
    model: sentencePieceBpe(vocabularyObject(ids), merges, unknown === undefined ? null : tokens[unknown]),
    ids,
    isControl: () => true,
    addBosByDefault: true,
  };
}
