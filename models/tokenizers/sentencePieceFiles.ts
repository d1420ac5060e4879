import { mergesFromScores } from '../gguf/mergesFromScores';
import type { AddedToken } from './addedTokens';
import { sentencePieceEncoder } from './sentencePieceEncoder';
import { readSentencePieceModel, BPE, CONTROL, USER_DEFINED, type SentencePieceModel } from './sentencePieceModel';
import { tokenizerJson } from './tokenizerJson';
import { sentencePieceBpe, sentencePieceDecoder, UNDERLINE } from './sentencePieceParts';

/** What depends on the tokenizer class. */
interface Pieces {
  /** Pieces and their scores, by id. */
  pieces: readonly (readonly [piece: string, score: number])[];
  unkId: number;
  normalizer: object | null;
  preTokenizer: object | null;
  decoder: object;
  /** Set where no tokenizer.json can say how text is cut. */
  encode?: (text: string) => string[];
}

type Config = Readonly<Record<string, unknown>>;

/** Tokenizer classes that put more than SentencePiece itself on top of its model. */
const CLASSES: Readonly<Record<string, (model: SentencePieceModel, config: Config) => Pieces>> = {
  LlamaTokenizer: llama,
  GemmaTokenizer: gemma,
  T5Tokenizer: t5,
  XLMRobertaTokenizer: xlmRoberta,
};

export interface SentencePieceTokenizer {
  json: Record<string, unknown>;
  encode?: (text: string) => string[];
}

/**
 * tokenizer.json of a SentencePiece model: Llama's, Gemma's, T5's and XLM-RoBERTa's as transformers 5 converts them, every other
 * class as SentencePiece itself encodes, each stretch between special tokens for itself. The unknown piece of a BPE with byte fallback is never used.
 * @returns also `encode`, where it takes the place of normalizer, pre-tokenizer and model: a stretch's text to its pieces
 * @param tokenizerClass as tokenizer_config.json names it, without `Fast`
 * @throws UserError naming the file for a model that cannot be read
 */
export async function sentencePieceFiles(path: string, tokenizerClass: string, config: Config): Promise<SentencePieceTokenizer> {
  const model = await readSentencePieceModel(path);
  const convert = Object.hasOwn(CLASSES, tokenizerClass) ? CLASSES[tokenizerClass] : plain;
  const { pieces, unkId, normalizer, preTokenizer, decoder, encode } = convert(model, config);
  const map =
    model.charsmap.length > 0 && !encode
      ? { type: 'Precompiled', precompiled_charsmap: Buffer.from(model.charsmap).toString('base64') }
      : null;
  const json = tokenizerJson({
    // the encoder knows the user's pieces itself
    added_tokens: ownTokens(model, pieces).filter(({ special }) => special || !encode),
    normalizer: map && normalizer ? { type: 'Sequence', normalizers: [map, normalizer] } : (map ?? normalizer),
    pre_tokenizer: preTokenizer,
    decoder,
    model:
      model.kind === BPE
        ? bpe(pieces, pieces[unkId][0], model.byteFallback)
        : { type: 'Unigram', unk_id: unkId, vocab: pieces, byte_fallback: model.byteFallback },
  });
  return encode ? { json, encode } : { json };
}

/** Control pieces are special tokens; the user's pieces are matched before anything else, but are text. */
function ownTokens(model: SentencePieceModel, pieces: Pieces['pieces']): AddedToken[] {
  const types = new Map(model.pieces.map(({ piece, type }) => [piece, type]));
  return pieces.flatMap(([content], id) => {
    const type = types.get(content);
    if (type !== CONTROL && type !== USER_DEFINED) return [];
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: type === CONTROL }];
  });
}

/** Merges in the order of the pieces that they make; of one piece's splits, the one with the shortest left side first. */
function bpe(pieces: Pieces['pieces'], unknown: string, byteFallback: boolean): Record<string, unknown> {
  const ids = new Map(pieces.map(([piece], id) => [piece, id]));
  const vocab: Record<string, number> = Object.create(null);
  for (const [piece, id] of ids) vocab[piece] = id;
  const merges = mergesFromScores(ids, (piece) => -ids.get(piece)!);
  const order = new Map(merges.map((merge, i) => [merge, i]));
  merges.sort((a, b) => ids.get(a[0] + a[1])! - ids.get(b[0] + b[1])! || order.get(b)! - order.get(a)!);
  return sentencePieceBpe(vocab, merges, byteFallback ? null : unknown, byteFallback);
}

const scored = (model: SentencePieceModel): Pieces['pieces'] => model.pieces.map(({ piece, score }) => [piece, score]);
const metaspace = (scheme: 'always' | 'first' | 'never', split: boolean): object => ({
  type: 'Metaspace',
  replacement: UNDERLINE,
  prepend_scheme: scheme,
  split,
});

/** Legacy: a space goes in front of the text behind each special token too. */
function llama(model: SentencePieceModel, config: Config): Pieces {
  const prefix = config.add_prefix_space !== false;
  return {
    pieces: scored(model),
    unkId: model.unkId,
    normalizer: null,
    preTokenizer: metaspace(prefix ? (config.legacy === true ? 'always' : 'first') : 'never', false),
    decoder: sentencePieceDecoder(prefix),
  };
}

function gemma(model: SentencePieceModel): Pieces {
  return {
    pieces: scored(model),
    unkId: model.unkId,
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: UNDERLINE },
    preTokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
    decoder: sentencePieceDecoder(false),
  };
}

const words = (): Pick<Pieces, 'normalizer' | 'preTokenizer' | 'decoder'> => ({
  normalizer: null,
  preTokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace('always', true)] },
  decoder: metaspace('always', true),
});

function t5(model: SentencePieceModel): Pieces {
  return { pieces: scored(model), unkId: model.unkId, ...words() };
}

/** fairseq's numbering: four tokens of its own, then the pieces behind SentencePiece's first three, then the mask. */
function xlmRoberta(model: SentencePieceModel): Pieces {
  const pieces: Pieces['pieces'] = [['<s>', 0], ['<pad>', 0], ['</s>', 0], ['<unk>', 0], ...scored(model).slice(3), ['<mask>', 0]];
  return { pieces, unkId: 3, ...words() };
}

/** As SentencePiece's own encoder. */
function plain(model: SentencePieceModel): Pieces {
  return {
    pieces: scored(model),
    unkId: model.unkId,
    normalizer: null,
    preTokenizer: null,
    decoder: sentencePieceDecoder(model.addDummyPrefix),
    encode: sentencePieceEncoder(model),
  };
}
