import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPairs } from '../../datasets/readPairs';

const folder = join(__dirname, '../../examples/cross-lingual-detox/data');
const LANGUAGES = 'ar cs de en es fr hi id it ja ko nl pl pt ru sv zh'.split(' ');
const lines = (file: string) => readFileSync(join(folder, file), 'utf8').trimEnd().split('\n');

test('ParaDetox gives 8,089 pairs, less 103 with equal sides', async () => {
  const { pairs, notes } = await readPairs(join(folder, 'paradetox.tsv'));
  expect(pairs).toHaveLength(7986);
  expect(notes).toEqual([
    'ParaDetox: 8089 of 11927 rows share a beginning, which becomes the prompt',
    'dropped, since both sides are equal: 103',
  ]);
});

test('24 different prompts a language', () => {
  const prompts = lines('prompts.jsonl').map((line) => JSON.parse(line) as { language: string; prompt: string });
  expect([...new Set(prompts.map(({ language }) => language))]).toEqual(LANGUAGES);
  for (const language of LANGUAGES) {
    const texts = prompts.filter((prompt) => prompt.language === language).map(({ prompt }) => prompt);
    expect(new Set(texts).size).toBe(24);
    // a space at the end would break the next word's token
    for (const text of texts) expect(text).toBe(text.trim());
  }
});

test('100 different sentences a language, line by line', () => {
  expect(readdirSync(join(folder, 'parallel')).sort()).toEqual(LANGUAGES.map((language) => `${language}.txt`));
  for (const language of LANGUAGES) expect(new Set(lines(`parallel/${language}.txt`)).size).toBe(100);
});
