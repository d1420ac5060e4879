import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTokenizer } from '../../../models/tokenizer';

const goldens = join(__dirname, '..', '..', 'goldens');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
});
afterEach(() => rm(folder, { recursive: true }));

const use = (...path: string[]): Promise<void> => cp(join(goldens, ...path), folder, { recursive: true });
const write = (file: string, json: unknown): Promise<void> => writeFile(join(folder, file), JSON.stringify(json));

test('the class comes from config.json where tokenizer_config.json names none, with a token before the text as its models want', async () => {
  await use('tokenizerFiles', 'llama');
  const { rows } = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8')) as { rows: { text: string; ids: number[] }[] };
  await write('tokenizer_config.json', { tokenizer_class: 'PreTrainedTokenizerFast' });
  await write('config.json', { model_type: 'llama' });
  const tokenizer = await loadTokenizer(folder);
  expect(tokenizer.encode(rows[0].text, { specialTokens: true })).toEqual(rows[0].ids);
  expect([tokenizer.bosId, tokenizer.eosId]).toEqual([1, 2]);
});

test('an eos token of special_tokens_map.json, unless tokenizer_config.json declares its added tokens itself', async () => {
  await use('tokenizers', 'byte-level');
  const token = { content: '<stop>', special: true };
  await write('special_tokens_map.json', { eos_token: token });
  await write('added_tokens.json', { '<stop>': 290 });
  const tokenizer = await loadTokenizer(folder);
  expect([tokenizer.eosId, tokenizer.size]).toEqual([290, 291]);
  expect(tokenizer.encode('a<stop>')).toEqual([...tokenizer.encode('a'), 290]);
  expect(tokenizer.decode([...tokenizer.encode('a'), 290])).toBe('a');
  await write('tokenizer_config.json', { eos_token: '<eos>', added_tokens_decoder: { '291': { content: '<other>' } } });
  const declared = await loadTokenizer(folder);
  expect([declared.eosId, declared.size]).toEqual([0, 292]);
  expect(declared.encode('<other>')).toEqual([291]);
  // it is not special
  expect(declared.decode([291])).toBe('<other>');
  expect(declared.hash).not.toBe(tokenizer.hash);
});

test('a special token that has no id is text', async () => {
  await use('tokenizers', 'byte-level');
  const { size } = await loadTokenizer(folder);
  await write('tokenizer_config.json', { eos_token: '<eos>', pad_token: '[PAD]' });
  const tokenizer = await loadTokenizer(folder);
  expect(tokenizer.size).toBe(size);
  expect(tokenizer.decode(tokenizer.encode('[PAD]'))).toBe('[PAD]');
});

test.each<[string, string, string, unknown, RegExp]>([
  ['a vocabulary that is a list', 'gpt2', 'vocab.json', ['a'], /vocab.json: must hold a JSON object/],
  ['an id that is none', 'gpt2', 'vocab.json', { a: -1 }, /vocab.json: the token "a" has the id -1; it must be a whole number from 0 to/],
  ['a merge of tokens that are not there', 'gpt2', 'merges.txt', '#version: 0.2\nq x\n', /merges.txt:2: .*vocab.json has no token "qx"/],
  ['a line that is no merge', 'gpt2', 'merges.txt', 'a b c\n', /merges.txt:1: "a b c" is no merge; it must be two tokens/],
  [
    'a class that cuts text otherwise',
    'gpt2',
    'tokenizer_config.json',
    { tokenizer_class: 'GPT2Tokenzer' },
    /unknown tokenizer class beside .*vocab.json "GPT2Tokenzer"; did you mean "GPT2Tokenizer"\?/,
  ],
  ['an added token without an id', 'gpt2', 'added_tokens.json', { x: 'y' }, /added_tokens.json: the token "x" has the id "y"/],
  [
    'a declared token without text',
    'qwen2',
    'tokenizer_config.json',
    { tokenizer_class: 'Qwen2Tokenizer', added_tokens_decoder: { 7: {} } },
    /tokenizer_config.json: added_tokens_decoder.7 has no content/,
  ],
  [
    'a model that is none',
    'llama',
    'tokenizer.model',
    'version https://git-lfs.github.com/spec/v1',
    /tokenizer.model: not a SentencePiece model/,
  ],
  ['an empty model', 'llama', 'tokenizer.model', '', /tokenizer.model: not a SentencePiece model: it holds no pieces/],
])('%s', async (_, name, file, content, message) => {
  await use('tokenizerFiles', name);
  await writeFile(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content));
  await expect(loadTokenizer(folder)).rejects.toThrow(message);
  await expect(loadTokenizer(folder)).rejects.toMatchObject({ name: 'UserError' });
});

test('a SentencePiece file that is cut off', async () => {
  await use('tokenizerFiles', 't5');
  const bytes = await readFile(join(folder, 'spiece.model'));
  await writeFile(join(folder, 'spiece.model'), bytes.subarray(0, 5000));
  await expect(loadTokenizer(folder)).rejects.toThrow(/spiece.model: not a SentencePiece model/);
});
