import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as arrow from 'apache-arrow';
import { readGenerations, readScores, writeGenerations, writeScores } from '../../eval/arrowFiles';
import type { Generation, Score } from '../../eval/types';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'arrow-'))));
afterAll(() => rm(folder, { recursive: true }));

const generations: Generation[] = [
  { language: 'fr', promptIndex: 0, sampleIndex: 0, text: 'déjà vu', tokens: Int32Array.of(5, 6, 6) },
  { language: 'fr', promptIndex: 0, sampleIndex: 1, text: '', tokens: Int32Array.of() },
  { language: 'zh', promptIndex: 7, sampleIndex: 0, text: '你好\n“𝛼”', tokens: Int32Array.of(262143) },
];
const scores: Score[] = [
  { language: 'fr', promptIndex: 0, sampleIndex: 0, score: 0.25, logLikelihood: -2.5, others: { lexicon: 1, 'probe:x': null } },
  { language: 'fr', promptIndex: 0, sampleIndex: 1, score: null, logLikelihood: null, others: { lexicon: 0, 'probe:x': 0.125 } },
];

test('generations come back as they were written', async () => {
  const path = join(folder, 'generations.arrow');
  await writeGenerations(path, generations);
  const read = await readGenerations(path);
  expect(read.map(({ tokens, ...rest }) => ({ ...rest, tokens: [...tokens] }))).toEqual(
    generations.map(({ tokens, ...rest }) => ({ ...rest, tokens: [...tokens] })),
  );
  expect(ArrayBuffer.isView(read[0].tokens)).toBe(true);
});

test('the file is the IPC file format, with the columns and the version that the format names', async () => {
  const path = join(folder, 'format.arrow');
  await writeGenerations(path, generations);
  const bytes = await readFile(path);
  expect(bytes.toString('latin1', 0, 6)).toBe('ARROW1');
  const { schema } = arrow.tableFromIPC(bytes);
  expect(schema.fields.map(({ name, type }) => `${name}: ${type}`)).toEqual([
    'language: Utf8',
    'promptIndex: Int32',
    'sampleIndex: Int32',
    'text: Utf8',
    'tokens: List<Int32>',
  ]);
  expect(schema.metadata.get('version')).toBe('1');
});

test('scores keep their nulls and further scorers', async () => {
  const path = join(folder, 'scores.arrow');
  await writeScores(path, scores);
  expect(await readScores(path)).toEqual(scores);
});

test('NaN is written as null', async () => {
  const path = join(folder, 'nan.arrow');
  await writeScores(path, [{ language: 'en', promptIndex: 0, sampleIndex: 0, score: NaN, logLikelihood: NaN }]);
  expect(await readScores(path)).toEqual([{ language: 'en', promptIndex: 0, sampleIndex: 0, score: null, logLikelihood: null }]);
});

test('no rows', async () => {
  const path = join(folder, 'empty.arrow');
  await writeScores(path, []);
  expect(await readScores(path)).toEqual([]);
  await writeGenerations(path, []);
  expect(await readGenerations(path)).toEqual([]);
});

test.each([
  ['missing', null, /cannot read .*missing\.arrow: no such file/],
  ['empty', new Uint8Array(), /not an Arrow IPC file/],
  ['text', Buffer.from('{"language": "en"}'), /not an Arrow IPC file/],
])('%s file', async (name, bytes, message) => {
  const path = join(folder, `${name}.arrow`);
  if (bytes) await writeFile(path, bytes);
  await expect(readGenerations(path)).rejects.toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
});

test('a file cut anywhere is an error that names it', async () => {
  const path = join(folder, 'cut.arrow');
  await writeGenerations(path, generations);
  const bytes = await readFile(path);
  for (let length = 0; length < bytes.length; length += 37) {
    await writeFile(path, bytes.subarray(0, length));
    await expect(readGenerations(path)).rejects.toMatchObject({ name: 'UserError', message: expect.stringContaining('cut.arrow') });
  }
});

test('a footer that lies is an error that names the file', async () => {
  const path = join(folder, 'footer.arrow');
  await writeGenerations(path, generations);
  const bytes = await readFile(path);
  bytes.fill(0x41, bytes.length - 60, bytes.length - 10);
  await writeFile(path, bytes);
  await expect(readGenerations(path)).rejects.toMatchObject({ name: 'UserError', message: expect.stringContaining('footer.arrow') });
});

test('scores are not generations', async () => {
  const path = join(folder, 'scores.arrow');
  await writeScores(path, scores);
  await expect(readGenerations(path)).rejects.toThrow(/no column "text"; found: language, promptIndex, sampleIndex, score/);
});
