import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTokenizer, type TextTokenizer } from '../../models/tokenizer';

const goldens = join(__dirname, '..', 'goldens', 'tokenizers');

interface Expected {
  size: number;
  eos: number;
  bos: number | null;
  rows: { text: string; plain: number[]; special: number[]; decoded: string }[];
}

describe.each(['byte-level', 'template'])('%s', (name) => {
  const expected = JSON.parse(readFileSync(join(goldens, name, 'expected.json'), 'utf8')) as Expected;
  let tokenizer: TextTokenizer;
  beforeAll(async () => {
    tokenizer = await loadTokenizer(join(goldens, name));
  });

  test.each(expected.rows)('ids and text of $text', ({ text, plain, special, decoded }) => {
    expect(tokenizer.encode(text)).toEqual(plain);
    expect(tokenizer.encode(text, { specialTokens: true })).toEqual(special);
    expect(tokenizer.decode(Int32Array.from(special))).toBe(decoded);
  });

  test('special tokens and size', () => {
    expect(tokenizer.eosId).toBe(expected.eos);
    expect(tokenizer.size).toBe(expected.size);
    // a bos_token that the template does not add is no beginning-of-sequence token
    expect(tokenizer.bosId).toBe(name === 'template' ? expected.bos : null);
  });
});

describe('what the files say', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
    await cp(join(goldens, 'template'), folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('the hash follows the tokenizer and its end token', async () => {
    const { hash } = await loadTokenizer(folder);
    expect((await loadTokenizer(folder)).hash).toBe(hash);
    await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<pad>' }));
    expect((await loadTokenizer(folder)).hash).not.toBe(hash);
  });

  test('the end token of generation_config.json, then of config.json', async () => {
    await writeFile(join(folder, 'tokenizer_config.json'), '{}');
    await writeFile(join(folder, 'config.json'), JSON.stringify({ text_config: { eos_token_id: 3 } }));
    expect((await loadTokenizer(folder)).eosId).toBe(3);
    await writeFile(join(folder, 'generation_config.json'), JSON.stringify({ eos_token_id: [2, 1] }));
    expect((await loadTokenizer(folder)).eosId).toBe(2);
  });

  test.each([
    [
      'no tokenizer.json',
      'tokenizer.json',
      null,
      'holds no tokenizer; it must hold one of tokenizer.json, vocab.json with merges.txt, vocab.txt, tokenizer.model',
    ],
    ['damaged JSON', 'tokenizer.json', '{"model": ', 'tokenizer.json: not valid JSON'],
    ['not a tokenizer', 'tokenizer.json', '{"version": "1.0"}', 'tokenizer.json: not a tokenizer that can be read'],
    ['an unknown end token', 'tokenizer_config.json', '{"eos_token": "<end>"}', 'tokenizer_config.json: eos_token "<end>" is not in'],
    ['no end token', 'tokenizer_config.json', '{}', 'no end-of-sequence token'],
  ])('%s', async (_, file, content, message) => {
    if (content === null) await rm(join(folder, file));
    else await writeFile(join(folder, file), content);
    await expect(loadTokenizer(folder)).rejects.toThrow(new RegExp(message));
    await expect(loadTokenizer(folder)).rejects.toMatchObject({ name: 'UserError' });
  });

  test('an end token beyond the vocabulary', async () => {
    await writeFile(join(folder, 'tokenizer_config.json'), '{}');
    await writeFile(join(folder, 'config.json'), JSON.stringify({ eos_token_id: 99999 }));
    await expect(loadTokenizer(folder)).rejects.toThrow(/config.json: eos_token_id is 99999; it must be a token id below/);
  });
});
