import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../util/errors';
import { fileHash, readJson } from '../../util/files';
import { addedTokens, tokenText, type AddedToken } from './addedTokens';
import { byteLevelFiles } from './byteLevelFiles';
import { checkTokenizerJson } from './checkTokenizerJson';
import { sentencePieceFiles } from './sentencePieceFiles';
import { templateProcessing } from './templateProcessing';
import { WORD_PIECE_DEFAULTS, wordPieceFiles } from './wordPieceFiles';

type Json = Readonly<Record<string, unknown>>;

/** A tokenizer in the form of tokenizer.json and tokenizer_config.json, whatever files it was published in. */
export interface TokenizerSource {
  json: Record<string, unknown>;
  /** Cuts the stretches between added tokens into pieces, where json's normalizer, pre-tokenizer and model do not. */
  encode?: (text: string) => string[];
  /** tokenizer_config.json with what special_tokens_map.json says. */
  config: Json;
  /** The file that holds the vocabulary, for messages. */
  file: string;
  /** All files that hold it, for hashing. */
  sources: readonly string[];
}

const SENTENCE_PIECE_FILES = ['tokenizer.model', 'spiece.model', 'sentencepiece.bpe.model'];

/** Files of a model folder that a tokenizer, its special tokens and its end of a text come from. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  ...SENTENCE_PIECE_FILES,
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'generation_config.json',
  'config.json',
];

/** Names and hashes of the tokenizer's files that a folder holds: equal hashes give equal ids. */
export async function tokenizerFileHashes(folder: string): Promise<string[]> {
  const found = TOKENIZER_FILES.filter((name) => existsSync(join(folder, name)));
  return (await Promise.all(found.map(async (name) => [name, await fileHash(join(folder, name))]))).flat();
}

/**
 * Reads a model folder's tokenizer: tokenizer.json; else vocab.json with merges.txt; else vocab.txt; else a SentencePiece model.
 * @throws UserError naming the file that is missing or damaged
 */
export async function readTokenizerSource(folder: string): Promise<TokenizerSource> {
  const configFile = join(folder, 'tokenizer_config.json');
  const own = checkedConfig(await optionalObject(configFile), configFile);
  // transformers reads the map of older folders only where the config does not declare its tokens itself
  const mapFile = join(folder, 'special_tokens_map.json');
  const map = own.added_tokens_decoder ? {} : checkedConfig(await optionalObject(mapFile), mapFile);
  const { json, sources, config, encode } = await readVocabulary(folder, { ...own, ...map });
  const idOf = vocabularyIds(json);
  const addedPath = join(folder, 'added_tokens.json');
  const added = existsSync(addedPath) ? { path: addedPath, tokens: await optionalObject(addedPath) } : null;
  const tokens = addedTokens((json.added_tokens ?? []) as AddedToken[], idOf, config, configFile, added);
  const idOfAny = (content: string): number | undefined => tokens.find((token) => token.content === content)?.id ?? idOf(content);
  const whole = { ...json, added_tokens: tokens, post_processor: json.post_processor ?? around(config, idOfAny) };
  return { json: whole, config, file: sources[0], sources, ...(encode && { encode }) };
}

/** Special tokens by the names that transformers gives them. */
export const NAMED_TOKENS = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/** Refuses special tokens that are none, which would be taken for tokens that are not given. @throws UserError naming file and field */
function checkedConfig(config: Json, file: string): Json {
  for (const name of NAMED_TOKENS) {
    const value = config[name];
    if (value !== undefined && value !== null && tokenText(value) === undefined)
      throw new UserError(`${file}: ${name} is ${JSON.stringify(value)}; it must be text, an object with content, or null`);
  }
  const further = config.additional_special_tokens;
  if (further !== undefined && further !== null && !(Array.isArray(further) && further.every((token) => tokenText(token) !== undefined)))
    throw new UserError(`${file}: additional_special_tokens is ${JSON.stringify(further)}; it must be a list of tokens`);
  return config;
}

/** JSON of an optional file: an object. @throws UserError naming the file */
export async function optionalObject(file: string): Promise<Json> {
  if (!existsSync(file)) return {};
  const json = await readJson(file);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new UserError(`${file}: must hold a JSON object`);
  return json as Json;
}

interface Vocabulary {
  json: Record<string, unknown>;
  sources: string[];
  config: Json;
  encode?: (text: string) => string[];
}

async function readVocabulary(folder: string, config: Json): Promise<Vocabulary> {
  const whole = join(folder, 'tokenizer.json');
  if (existsSync(whole)) {
    // a tokenizer.json has its template; transformers heeds no add_bos_token beside it
    return {
      json: checkTokenizerJson(await readJson(whole), whole),
      sources: [whole],
      config: { ...config, add_bos_token: false, add_eos_token: false },
    };
  }
  const tokenizerClass = await classOf(folder, config);
  const [vocabulary, merges] = ['vocab.json', 'merges.txt'].map((name) => join(folder, name));
  if (existsSync(vocabulary) && existsSync(merges)) {
    const json = await byteLevelFiles(vocabulary, merges, tokenizerClass ?? 'GPT2Tokenizer', config.add_prefix_space === true);
    const defaults = tokenizerClass === 'RobertaTokenizer' ? ROBERTA_DEFAULTS : BYTE_LEVEL_DEFAULTS;
    return { json, sources: [vocabulary, merges], config: { ...known(defaults, json), ...config } };
  }
  const words = join(folder, 'vocab.txt');
  if (existsSync(words)) {
    // other classes cut their texts with programs of their own first
    if (tokenizerClass !== undefined && tokenizerClass !== 'BertTokenizer')
      throw new UserError(`${words}: a tokenizer of class ${tokenizerClass} cannot be read from it; BertTokenizer can`);
    const json = await wordPieceFiles(words, config);
    return { json, sources: [words], config: { ...known(WORD_PIECE_DEFAULTS, json), ...config } };
  }
  const name = SENTENCE_PIECE_FILES.find((candidate) => existsSync(join(folder, candidate)));
  if (name) {
    const path = join(folder, name);
    const { json, encode } = await sentencePieceFiles(path, tokenizerClass ?? '', config);
    const defaults = SENTENCE_PIECE_DEFAULTS[tokenizerClass ?? ''] ?? SENTENCE_PIECE_DEFAULTS.plain;
    return { json, sources: [path], config: { ...known(defaults, json), ...config }, encode };
  }
  const allowed = ['tokenizer.json', 'vocab.json with merges.txt', 'vocab.txt', ...SENTENCE_PIECE_FILES].join(', ');
  throw new UserError(`${folder}: holds no tokenizer; it must hold one of ${allowed}`);
}

/** What a class puts in where its config says nothing. */
const BYTE_LEVEL_DEFAULTS: Json = { bos_token: '<|endoftext|>', eos_token: '<|endoftext|>', unk_token: '<|endoftext|>' };
const ROBERTA_DEFAULTS: Json = {
  ...{ bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>', mask_token: '<mask>' },
  ...{ add_bos_token: true, add_eos_token: true },
};
const LLAMA_DEFAULTS: Json = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' };
const SENTENCE_PIECE_DEFAULTS: Readonly<Record<string, Json>> = {
  plain: LLAMA_DEFAULTS,
  LlamaTokenizer: { ...LLAMA_DEFAULTS, add_bos_token: true },
  GemmaTokenizer: {
    bos_token: '<bos>',
    eos_token: '<eos>',
    unk_token: '<unk>',
    pad_token: '<pad>',
    mask_token: '<mask>',
    add_bos_token: true,
  },
  T5Tokenizer: { eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>', add_eos_token: true },
  XLMRobertaTokenizer: { ...LLAMA_DEFAULTS, pad_token: '<pad>', mask_token: '<mask>', add_bos_token: true, add_eos_token: true },
};

/** Defaults without the tokens that the vocabulary lacks. */
function known(defaults: Json, json: Json): Json {
  const idOf = vocabularyIds(json);
  return Object.fromEntries(Object.entries(defaults).filter(([, value]) => typeof value !== 'string' || idOf(value) !== undefined));
}

/** The class of a model type's tokenizer, where tokenizer_config.json names none. */
const CLASS_OF_MODEL: Readonly<Record<string, string>> = {
  llama: 'LlamaTokenizer',
  mistral: 'LlamaTokenizer',
  gemma2: 'GemmaTokenizer',
  gemma3: 'GemmaTokenizer',
  gemma3_text: 'GemmaTokenizer',
  t5: 'T5Tokenizer',
  mt5: 'T5Tokenizer',
  'xlm-roberta': 'XLMRobertaTokenizer',
  bert: 'BertTokenizer',
  distilbert: 'BertTokenizer',
  roberta: 'RobertaTokenizer',
  gpt2: 'GPT2Tokenizer',
  qwen2: 'Qwen2Tokenizer',
  qwen3: 'Qwen2Tokenizer',
};
/** Names that say nothing about the kind. */
const ANY_CLASS = ['PreTrainedTokenizer', 'TokenizersBackend'];
const RENAMED: Readonly<Record<string, string>> = {
  MT5Tokenizer: 'T5Tokenizer',
  CodeLlamaTokenizer: 'LlamaTokenizer',
  DistilBertTokenizer: 'BertTokenizer',
};

async function classOf(folder: string, config: Json): Promise<string | undefined> {
  const model = await optionalObject(join(folder, 'config.json'));
  const named = [config.tokenizer_class, model.tokenizer_class].find((name) => typeof name === 'string') as string | undefined;
  const name = named?.replace(/Fast$/, '');
  if (name !== undefined && !ANY_CLASS.includes(name)) return RENAMED[name] ?? name;
  return typeof model.model_type === 'string' ? CLASS_OF_MODEL[model.model_type] : undefined;
}

function vocabularyIds(json: Json): (content: string) => number | undefined {
  const { vocab } = json.model as { vocab: Record<string, number> | [string, number][] };
  if (!Array.isArray(vocab)) return (content) => (Object.hasOwn(vocab, content) ? vocab[content] : undefined);
  const ids = new Map(vocab.map(([piece], id) => [piece, id]));
  return (content) => ids.get(content);
}

function around(config: Json, idOf: (content: string) => number | undefined): object {
  const token = (added: unknown, named: unknown): [string, number] | undefined => {
    const content = added === true ? tokenText(named) : undefined;
    const id = content === undefined ? undefined : idOf(content);
    return id === undefined ? undefined : [content!, id];
  };
  return templateProcessing(token(config.add_bos_token, config.bos_token), token(config.add_eos_token, config.eos_token));
}
