import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPairs } from '../../datasets/readPairs';
import { hubServer } from '../util/hub/hubServer';

const goldens = join(__dirname, '../goldens/parquet');
const [snappy, zstd] = ['snappy', 'zstd'].map((name) => readFileSync(join(goldens, `${name}.parquet`)));
const row = (i: number) => ({ prompt: `Frage ${i}: größer`, chosen: ` ja ${i}`, rejected: ` nein ${i} 愚` });
const commit = 'c'.repeat(40);
const converted = 'd'.repeat(40);

let server: Awaited<ReturnType<typeof hubServer>>;
beforeAll(async () => {
  const card = Buffer.from('---\nconfigs:\n- config_name: de\n  data_files:\n  - split: train\n    path: de/*.parquet\n---\n# Pairs\n');
  server = await hubServer([
    {
      kind: 'dataset',
      name: 'o/pairs',
      revisions: { main: commit },
      files: { [commit]: { 'README.md': card, 'de/1.parquet': zstd, 'de/0.parquet': snappy } },
      lfs: ['de/1.parquet', 'de/0.parquet'],
    },
    {
      kind: 'dataset',
      name: 'o/script',
      revisions: { main: commit, 'refs/convert/parquet': converted },
      files: {
        [commit]: { 'script.py': Buffer.from('1') },
        [converted]: { 'default/test/0000.parquet': zstd, 'default/partial-train/0000.parquet': snappy, 'default/test/index.duckdb': zstd },
      },
      lfs: ['default/test/0000.parquet', 'default/partial-train/0000.parquet'],
    },
    { kind: 'dataset', name: 'o/archive', revisions: { main: commit }, files: { [commit]: { 'rows.zip': Buffer.from('1') } } },
    {
      kind: 'dataset',
      name: 'o/gated',
      revisions: { main: commit },
      files: { [commit]: { 'train.parquet': zstd } },
      gatedFor: 'hf_right',
    },
  ]);
  process.env.HF_ENDPOINT = server.endpoint;
  process.env.HF_HUB_CACHE = mkdtempSync(join(tmpdir(), 'hub-cache-'));
});
afterAll(() => server.close());

test('a split on the hub: all its files in order, whatever their compression', async () => {
  expect((await readPairs('o/pairs')).pairs).toEqual([0, 1, 2, 3, 4].map(row));
  expect((await readPairs('o/pairs:de/train')).pairs).toHaveLength(5);
  await expect(readPairs('o/pairs:test')).rejects.toThrow('o/pairs has no split "test" (there are: train)');
});

test("a dataset without data files is read from the hub's Parquet copy", async () => {
  expect(await readPairs('o/script:test')).toEqual({ pairs: [3, 4].map(row), notes: [] });
  expect(await readPairs('o/script')).toEqual({
    pairs: [0, 1, 2].map(row),
    notes: ["the hub's Parquet copy of o/script holds only the beginning of train"],
  });
});

test('no data files and no copy of them, or none of that revision; a gated dataset: one line each', async () => {
  const nothing = 'holds no data files in Parquet, JSON, CSV or TSV';
  await expect(readPairs('o/archive')).rejects.toThrow(`o/archive ${nothing}, and the hub has made no Parquet copy of it`);
  await expect(readPairs(`o/script@${commit}:test`)).rejects.toThrow(
    `o/script@${commit} ${nothing}, and the hub's Parquet copy is of main alone: leave @${commit} out for that`,
  );
  await expect(readPairs('o/gated')).rejects.toThrow(
    `dataset o/gated is gated: accept its terms at ${server.endpoint}/datasets/o/gated, and set HF_TOKEN`,
  );
});

test('Parquet and JSON on the disk; what is wrong in them', async () => {
  expect((await readPairs(join(goldens, 'snappy.parquet'))).pairs).toEqual([0, 1, 2].map(row));
  const folder = mkdtempSync(join(tmpdir(), 'pairs-'));
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  await expect(readPairs(file('cut.parquet', snappy.subarray(0, 200)))).rejects.toThrow(/cut\.parquet: cannot be read as Parquet: /);
  expect((await readPairs(file('list.json', JSON.stringify([row(1)])))).pairs).toEqual([row(1)]);
  expect((await readPairs(file('lines.json', `${JSON.stringify(row(1))}\n`))).pairs).toEqual([row(1)]);
  await expect(readPairs(file('bad.json', '[{"prompt": "a"}]'))).rejects.toThrow(/bad\.json: object 1: no field "chosen"/);
  await expect(readPairs(file('odd.json', '[3]'))).rejects.toThrow(/odd\.json: object 1 is 3; it must be an object/);
  await expect(readPairs(file('long.json', `["${'x'.repeat(1e6)}"]`))).rejects.toThrow(
    /long\.json: object 1 is "x{79}…; it must be an object/,
  );
});
