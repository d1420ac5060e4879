import { mergesFromScores } from '../../../models/gguf/mergesFromScores';
import { metadataOf } from '../../../models/gguf/metadata';
import { readGguf, type GgufFile, type GgufValue } from '../../../models/gguf/readGguf';
import { buildTokenizer, type TokenizerFiles } from '../../../models/gguf/tokenizer';
import { goldenPath, readGoldenJson, type Expected } from './goldens';

/** The package's own types resolve under ES modules alone. */
interface Tokenizer {
  encode(text: string, options?: { add_special_tokens: boolean }): { ids: number[]; tokens: string[] };
  decode(ids: number[], options: { skip_special_tokens: boolean }): string;
}
const { Tokenizer: TokenizerClass } = require('@huggingface/tokenizers') as { Tokenizer: new (json: object, config: object) => Tokenizer };

const expected = readGoldenJson<Expected>('expected.json');

function build(name: string, changes: Record<string, GgufValue | undefined> = {}, rows = 1000): TokenizerFiles {
  const file: GgufFile = readGguf(goldenPath(name));
  const entries = [...file.metadata, ...(Object.entries(changes) as [string, GgufValue][])].filter(([, value]) => value !== undefined);
  const metadata = new Map(entries);
  for (const [key, value] of Object.entries(changes)) if (value === undefined) metadata.delete(key);
  return buildTokenizer(metadataOf({ path: name, metadata }), metadata.get('general.architecture') as string, rows);
}

const hf = ({ tokenizer, config }: TokenizerFiles): Tokenizer => new TokenizerClass(JSON.parse(JSON.stringify(tokenizer)), config);
const model = ({ tokenizer }: TokenizerFiles): { vocab: Record<string, number>; merges: unknown } =>
  tokenizer.model as { vocab: Record<string, number>; merges: unknown };

describe.each(Object.keys(expected.tokens))('%s', (name) => {
  const files = build(name);

  test("has the merges of transformers' conversion, in order", () => {
    expect(model(files).merges).toEqual(expected.merges[name]);
  });

  test("gives the ids of transformers' conversion", () => {
    const tokenizer = hf(files);
    for (const [text, ids] of expected.tokens[name])
      expect([text, tokenizer.encode(text, { add_special_tokens: false }).ids]).toEqual([text, ids]);
  });
});

test('sentence pieces: the beginning-of-sequence token in front, text comes back', () => {
  const tokenizer = hf(build('tinyGemma3.gguf'));
  const { ids } = tokenizer.encode('the  catty 日本é z');
  expect(ids[0]).toBe(2);
  expect(ids.filter((id) => id === 2)).toHaveLength(1);
  expect(tokenizer.decode(ids, { skip_special_tokens: true })).toBe('the  catty 日本é z');
});

test("Gemma 2's tokenizer is Gemma 3's", () => {
  const gemma2 = build('tinyGemma3.gguf', { 'general.architecture': 'gemma2', 'gemma2.context_length': 64 });
  expect(gemma2).toEqual(build('tinyGemma3.gguf'));
  expect(model(gemma2)).not.toEqual(
    model(build('tinyGemma3.gguf', { 'general.architecture': 'llama', 'llama.context_length': 64, 'tokenizer.ggml.merges': undefined })),
  );
});

test('add_bos_token and add_eos_token decide the template', () => {
  const files = build('tinyGemma3.gguf', { 'tokenizer.ggml.add_bos_token': false, 'tokenizer.ggml.add_eos_token': true });
  const { ids } = hf(files).encode('cat');
  expect(ids[0]).not.toBe(2);
  expect(ids.at(-1)).toBe(1);
  expect(hf(build('tinyGemma3.gguf', { 'tokenizer.ggml.add_bos_token': undefined })).encode('cat').ids[0]).toBe(2);
  expect(hf(build('tinyGpt2.gguf')).encode('cat').tokens).toEqual(['cat']);
});

test('tokenizer.ggml.pre decides on words, composed letters, whole words before merges, and the token in front', () => {
  const pre = (name: string): TokenizerFiles => build('tinyGpt2.gguf', { 'tokenizer.ggml.pre': name });
  const tokens = (files: TokenizerFiles, text: string): string[] => hf(files).encode(text, { add_special_tokens: false }).tokens;
  // the merges never make the token "Ġthe"
  expect(tokens(pre('gpt-2'), 'a the cat')).toEqual(['a', 'Ġ', 'th', 'e', 'Ġ', 'cat']);
  expect(tokens(pre('llama-bpe'), 'a the cat')).toEqual(['a', 'Ġthe', 'Ġ', 'cat']);
  expect(tokens(pre('tekken'), 'a theCat')).toEqual(['a', 'Ġthe', 'C', 'a', 't']);
  expect(tokens(pre('gpt-2'), 'e\u0301')).toHaveLength(3);
  expect(tokens(pre('qwen2'), 'e\u0301')).toHaveLength(2);
  expect(pre('llama-bpe').config.add_bos_token).toBe(true);
  expect(pre('smollm').config.add_bos_token).toBe(false);
});

test('add_space_prefix decides on the space in front of a Llama text', () => {
  const withPrefix = hf(build('llamaVocabulary.gguf')).encode('the', { add_special_tokens: false }).tokens;
  const without = hf(build('llamaVocabulary.gguf', { 'tokenizer.ggml.add_space_prefix': false })).encode('the', {
    add_special_tokens: false,
  }).tokens;
  expect(withPrefix).toEqual(['▁the']);
  expect(without.join('')).toBe('the');
});

test('added tokens: control ones are special, user-defined ones are not, runs of spaces are left to the merges', () => {
  const { tokenizer, config, specialTokens } = build('tinyGemma3.gguf');
  const added = tokenizer.added_tokens as { id: number; content: string; special: boolean }[];
  expect(added.map(({ id, content, special }) => [id, content, special])).toEqual([
    [0, '<pad>', true],
    [1, '<eos>', true],
    [2, '<bos>', true],
    [3, '<unk>', true],
    [4, '<b>', false],
  ]);
  expect(specialTokens).toEqual({ bos_token: '<bos>', eos_token: '<eos>', unk_token: '<unk>', pad_token: '<pad>' });
  expect(config).toMatchObject({ add_bos_token: true, add_eos_token: false, model_max_length: 64 });
  expect(model({ tokenizer } as TokenizerFiles).vocab['▁▁']).toBe(5);
});

test('merges: best score, then longest left part; characters beyond 16 bits count as one', () => {
  const ids = new Map(['a', 'b', 'ab', 'ba', 'aba', '😀', '😀a', 'a😀', 'a😀a'].map((token, id) => [token, id]));
  const scores: Record<string, number> = { ab: 1, ba: 2, aba: 2 };
  expect(mergesFromScores(ids, (token) => scores[token] ?? 0)).toEqual([
    ['ab', 'a'],
    ['a', 'ba'],
    ['b', 'a'],
    ['a', 'b'],
    ['a😀', 'a'],
    ['a', '😀a'],
    ['😀', 'a'],
    ['a', '😀'],
  ]);
});

test('a token named __proto__ keeps its id', () => {
  const tokens = [...(readGguf(goldenPath('tinyGemma3.gguf')).metadata.get('tokenizer.ggml.tokens') as string[])];
  tokens[100] = '__proto__';
  const json = JSON.stringify(build('tinyGemma3.gguf', { 'tokenizer.ggml.tokens': tokens }).tokenizer);
  expect(json).toContain('"__proto__":100');
});

test.each<[string, string, Record<string, GgufValue | undefined>, string]>([
  [
    'unknown kind',
    'tinyGemma3.gguf',
    { 'tokenizer.ggml.model': 'lama' },
    'unknown tokenizer in tinyGemma3.gguf "lama"; did you mean "llama"?',
  ],
  [
    'no tokens',
    'tinyGemma3.gguf',
    { 'tokenizer.ggml.tokens': undefined },
    'tinyGemma3.gguf: metadata entry tokenizer.ggml.tokens is missing',
  ],
  [
    'tokens of another type',
    'tinyGemma3.gguf',
    { 'tokenizer.ggml.tokens': [1, 2] },
    'is a list of 2 (first: 1); it must be a list of strings',
  ],
  [
    'too few types',
    'tinyGemma3.gguf',
    { 'tokenizer.ggml.token_type': [1] },
    'token_type is a list of 1 (first: 1); it must be a list of 299 numbers',
  ],
  [
    'a token beyond the vocabulary',
    'tinyGemma3.gguf',
    { 'tokenizer.ggml.eos_token_id': 4000 },
    "eos_token_id is 4000; it must be a token's id, 0 to 298",
  ],
  [
    'other splitting',
    'tinyGpt2.gguf',
    { 'tokenizer.ggml.pre': 'llama-bep' },
    'unknown tokenizer.ggml.pre in tinyGpt2.gguf "llama-bep"; did you mean "llama-bpe"?; known: default, gpt-2, ',
  ],
  ['a merge of three', 'tinyGpt2.gguf', { 'tokenizer.ggml.merges': ['t h', 'a b c'] }, 'merge 1 is "a b c"'],
  ['a merge of strangers', 'tinyGpt2.gguf', { 'tokenizer.ggml.merges': ['x y'] }, 'merge 0 is "x y", but the vocabulary has no "xy"'],
])('%s', (_name, file, changes, message) => {
  expect(() => build(file, changes)).toThrow(message);
});

test('a vocabulary larger than the embedding is refused', () => {
  expect(() => build('tinyGemma3.gguf', {}, 10)).toThrow('the vocabulary has 299 tokens; 1 to 10 are allowed');
});
