import { UserError } from '../../util/errors';
import { lookup } from '../../util/suggest';
import { templateProcessing } from '../tokenizers/templateProcessing';
import { byteLevelPipeline } from './byteLevelTokenizer';
import type { Metadata } from './metadata';
import { gemmaPipeline, llamaPipeline } from './sentencePieceTokenizer';
import type { GgufVocabulary, TokenizerPipeline } from './vocabulary';

/** A tokenizer as Hugging Face's files spell it. */
export interface TokenizerFiles {
  /** tokenizer.json */
  tokenizer: Record<string, unknown>;
  /** tokenizer_config.json */
  config: Record<string, unknown>;
  /** special_tokens_map.json */
  specialTokens: Record<string, string>;
}

const CONTROL = 3;
const USER_DEFINED = 4;

const PIPELINES: Readonly<Record<string, (vocabulary: GgufVocabulary) => TokenizerPipeline>> = {
  llama: llamaPipeline,
  gpt2: byteLevelPipeline,
};

/** Architectures whose SentencePiece tokenizer needs more than its metadata say. */
const SENTENCE_PIECE_PIPELINES: Readonly<Record<string, (vocabulary: GgufVocabulary) => TokenizerPipeline>> = {
  gemma2: gemmaPipeline,
  gemma3: gemmaPipeline,
};

/**
 * Builds the Hugging Face tokenizer that a GGUF file's metadata describe; its ids equal those of transformers' own conversion.
 * @param rows rows of the embedding: the vocabulary may not be larger
 * @throws UserError naming the file and the metadata entry
 */
export function buildTokenizer(metadata: Metadata, architecture: string, rows: number): TokenizerFiles {
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  if (tokens.length < 1 || tokens.length > rows)
    throw new UserError(
      `${metadata.path}: the vocabulary has ${tokens.length} tokens; 1 to ${rows} are allowed, the rows of the embedding`,
    );
  const types = metadata.has('tokenizer.ggml.token_type') ? metadata.numbers('tokenizer.ggml.token_type', tokens.length) : [];
  const kind = metadata.text('tokenizer.ggml.model');
  const build =
    kind === 'llama' ? (SENTENCE_PIECE_PIPELINES[architecture] ?? llamaPipeline) : lookup(PIPELINES, kind, `tokenizer in ${metadata.path}`);
  const pipeline = build({ metadata, tokens, types });
  const id = (name: string): number | undefined => metadata.tokenId(`tokenizer.ggml.${name}_token_id`, tokens.length);
  const bos = id('bos');
  const eos = id('eos');
  const addBos = bos !== undefined && metadata.flag('tokenizer.ggml.add_bos_token', pipeline.addBosByDefault);
  const addEos = eos !== undefined && metadata.flag('tokenizer.ggml.add_eos_token', false);
  const specialTokens: Record<string, string> = {};
  for (const [name, key] of Object.entries({ bos_token: 'bos', eos_token: 'eos', unk_token: 'unknown', pad_token: 'padding' })) {
    const token = id(key);
    if (token !== undefined) specialTokens[name] = tokens[token];
  }
  const chatTemplate = metadata.has('tokenizer.chat_template') ? { chat_template: metadata.text('tokenizer.chat_template') } : {};
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(tokens, types, pipeline, Object.values(specialTokens)),
      normalizer: pipeline.normalizer,
      pre_tokenizer: pipeline.preTokenizer,
      post_processor: templateProcessing(addBos ? [tokens[bos], bos] : undefined, addEos ? [tokens[eos], eos] : undefined),
      decoder: pipeline.decoder,
      model: pipeline.model,
    },
    config: {
      // the class that takes tokenizer.json as it is
      tokenizer_class: 'PreTrainedTokenizerFast',
      ...specialTokens,
      add_bos_token: addBos,
      add_eos_token: addEos,
      clean_up_tokenization_spaces: false,
      model_max_length: metadata.count(`${architecture}.context_length`),
      ...chatTemplate,
    },
    specialTokens,
  };
}

/**
 * Tokens that text is searched for before anything else: control tokens, which are special, and user-defined ones. A user-defined
 * token whose spelling the model does not have (Gemma's runs of spaces) is left to the merges, as in transformers.
 */
function addedTokens(
  tokens: readonly string[],
  types: readonly number[],
  pipeline: TokenizerPipeline,
  special: readonly string[],
): object[] {
  const added: object[] = [];
  for (const [id, content] of tokens.entries()) {
    const isSpecial = (types[id] === CONTROL && pipeline.isControl(content)) || special.includes(content);
    const isAdded = isSpecial || types[id] === USER_DEFINED;
    if (isAdded && pipeline.ids.get(content) === id)
      added.push({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: isSpecial });
  }
  return added;
}
