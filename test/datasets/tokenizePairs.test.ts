import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tokenizePairs } from '../../datasets/tokenizePairs';
import { readTokenizedCache, writeTokenizedCache } from '../../datasets/tokenizedCache';
import type { PreferencePair, TokenizedPair } from '../../datasets/types';
import type { ProgressEvent } from '../../util/progress';
// what TRL's DPOTrainer made of the same pairs: test/goldens/tokenizedPairs.py
import golden from '../goldens/tokenizedPairs.json';

interface GoldenPair extends PreferencePair {
  prompt_ids: number[];
  chosen_ids: number[];
  rejected_ids: number[];
}
type Name = keyof typeof golden.tokenizers;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenize-'));
  for (const [name, files] of Object.entries(golden.tokenizers)) {
    await mkdir(join(folder, name));
    for (const file of ['tokenizer.json', 'tokenizer_config.json'] as const)
      await writeFile(join(folder, name, file), JSON.stringify(files[file]));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const options = (name: Name, cache: string, maxPositions = 128) => ({
  modelFolder: join(folder, name),
  cacheFolder: join(folder, cache),
  maxPositions,
  source: 'pairs.jsonl',
});
const plain = (pairs: readonly TokenizedPair[]) =>
  pairs.map(({ prompt, chosen, rejected }) => ({ prompt_ids: [...prompt], chosen_ids: [...chosen], rejected_ids: [...rejected] }));
const goldenPairs = (name: Name) => golden.tokenizers[name].pairs as GoldenPair[];
const expected = (name: Name) =>
  goldenPairs(name).map(({ prompt_ids, chosen_ids, rejected_ids }) => ({ prompt_ids, chosen_ids, rejected_ids }));

test.each(['bos', 'plain'] as const)("the ids are TRL's, tokenizer %s", async (name) => {
  expect(plain(await tokenizePairs(goldenPairs(name), options(name, `golden-${name}`)))).toEqual(expected(name));
});

test('a second call reads the cache; a damaged cache is made anew', async () => {
  const events: ProgressEvent[] = [];
  const run = () => tokenizePairs(goldenPairs('bos'), options('bos', 'cache'), (event) => events.push(event));
  await run();
  expect(events.at(-1)).toMatchObject({ done: 7, total: 7 });
  const [file] = await readdir(join(folder, 'cache', 'tokenized'));
  const path = join(folder, 'cache', 'tokenized', file);
  const bytes = await readFile(path);

  events.length = 0;
  expect(plain(await run())).toEqual(expected('bos'));
  expect(events).toEqual([]);

  for (const damaged of [bytes.subarray(0, bytes.length / 2), Buffer.from('not arrow'), Buffer.alloc(0)]) {
    await writeFile(path, damaged);
    events.length = 0;
    expect(plain(await run())).toEqual(expected('bos'));
    expect(events.length).toBeGreaterThan(0);
    expect(await readFile(path)).toEqual(bytes);
  }
});

test('the cache is kept by pairs and by tokenizer', async () => {
  const pairs = goldenPairs('bos');
  await tokenizePairs(pairs, options('bos', 'keys'));
  await tokenizePairs(pairs.slice(1), options('bos', 'keys'));
  await tokenizePairs(pairs, options('plain', 'keys'));
  expect(await readdir(join(folder, 'keys', 'tokenized'))).toHaveLength(3);
});

test('a flipped token in a cache file is noticed', async () => {
  const path = join(folder, 'flipped.arrow');
  const pairs = [{ prompt: Int32Array.from([77001, 5]), chosen: Int32Array.from([6, 1]), rejected: Int32Array.from([1]) }];
  await writeTokenizedCache(path, pairs);
  expect(plain((await readTokenizedCache(path, 1))!)).toEqual(plain(pairs));
  expect(await readTokenizedCache(path, 2)).toBeNull();
  const bytes = await readFile(path);
  const place = bytes.indexOf(Buffer.from(Int32Array.from([77001, 5]).buffer));
  expect(place).toBeGreaterThan(0);
  bytes[place + 4] = 7;
  await writeFile(path, bytes);
  expect(await readTokenizedCache(path, 1)).toBeNull();
});

test("a pair longer than the model's context is named, and nothing is cached", async () => {
  const pairs = goldenPairs('bos');
  // the sixth pair: 17 tokens of prompt, 13 of chosen
  await expect(tokenizePairs(pairs, options('bos', 'long', 29))).rejects.toThrow(
    "pairs.jsonl: pair 6 is too long: prompt and chosen are 30 tokens, the model's context holds 29",
  );
  await expect(readdir(join(folder, 'long'))).rejects.toThrow();
  expect(await tokenizePairs(pairs, options('bos', 'long', 30))).toHaveLength(7);
});

describe('maxLength', () => {
  const cut = async (maxLength: number, maxPositions = 128) => {
    const lines: string[] = [];
    const say = (line: string) => lines.push(line);
    const pairs = await tokenizePairs(goldenPairs('bos'), { ...options('bos', 'cut', maxPositions), maxLength, say });
    return { pairs: plain(pairs), lines };
  };

  test('longer pairs are cut, those with longer prompts left out, and lines say how many', async () => {
    // prompts of 17 and more tokens: one pair; longer than 12: those that the golden says
    const left = expected('bos').filter(({ prompt_ids }) => prompt_ids.length < 12);
    const long = left.filter(({ prompt_ids: p, chosen_ids: c, rejected_ids: r }) => p.length + Math.max(c.length, r.length) > 12);
    expect([left.length, long.length]).not.toContain(0);
    const { pairs, lines } = await cut(12);
    expect(pairs).toEqual(
      left.map(({ prompt_ids: p, chosen_ids: c, rejected_ids: r }) => {
        return { prompt_ids: p, chosen_ids: c.slice(0, 12 - p.length), rejected_ids: r.slice(0, 12 - p.length) };
      }),
    );
    expect(lines).toEqual([
      `pairs.jsonl: ${long.length} pairs are longer than 12 tokens and were cut (--max-length)`,
      `pairs.jsonl: ${7 - left.length} pairs were left out: their prompt alone has 12 tokens or more (--max-length)`,
    ]);
    expect((await cut(0)).pairs).toEqual(expected('bos'));
  });

  test('a cut pair fits a context that the whole one does not; a longer length is refused with what would help', async () => {
    expect((await cut(29, 29)).lines).toHaveLength(1);
    await expect(cut(1024, 29)).rejects.toThrow("the model's context holds 29; --max-length 29 cuts longer pairs");
  });

  test('nothing left is an error', async () => {
    await expect(cut(1)).rejects.toThrow('pairs.jsonl: no pair is left: every prompt alone has 1 tokens or more (--max-length)');
  });
});

test('an empty prompt is the beginning-of-sequence token alone, or refused where the tokenizer adds none', async () => {
  const pair = { prompt: '', chosen: 'the cat', rejected: 'the hat' };
  const [{ prompt, chosen }] = await tokenizePairs([pair], options('bos', 'empty'));
  expect([[...prompt], [...chosen]]).toEqual([[0], [260, 276, 1]]);
  await expect(tokenizePairs([pair], options('plain', 'empty'))).rejects.toThrow('pairs.jsonl: pair 1: the prompt gives no token');
});

test('a folder without a tokenizer is named', async () => {
  await expect(tokenizePairs(goldenPairs('bos'), { ...options('bos', 'none'), modelFolder: join(folder, 'nothing') })).rejects.toThrow(
    /nothing: holds no tokenizer; it must hold one of tokenizer.json/,
  );
});
