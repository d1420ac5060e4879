import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hubModel, hubSplit, repoText } from '../../../util/hub/hubReference';

test('owner/name[@revision]; what exists here is no name on the hub, nor is any other path', () => {
  expect(hubModel('ai-forever/mGPT')).toEqual({ kind: 'model', name: 'ai-forever/mGPT', revision: 'main' });
  expect(hubModel('a/b.c_d@refs/pr/3')).toEqual({ kind: 'model', name: 'a/b.c_d', revision: 'refs/pr/3' });
  expect(hubModel('test/models')).toBeUndefined();
  for (const path of ['/a/b', './a', '../a/b', 'a', 'a/b/c', 'a/', 'a/b.', 'a b/c', mkdtempSync(join(tmpdir(), 'model-'))])
    expect(hubModel(path)).toBeUndefined();
});

test('owner/name[@revision][:[config/]split]', () => {
  const bare = { kind: 'dataset', name: 'o/n', revision: 'main', split: 'train' };
  expect(hubSplit('o/n')).toEqual(bare);
  expect(hubSplit('o/n:test')).toEqual({ ...bare, split: 'test' });
  expect(hubSplit('o/n@v1:en/test')).toEqual({ ...bare, revision: 'v1', config: 'en', split: 'test' });
  for (const path of ['data/pairs.jsonl', 'data/pairs.csv', 'data/pairs.parquet', 'o/n:', 'o/n:a/b/c', 'pairs'])
    expect(hubSplit(path)).toBeUndefined();
});

test('main goes without saying', () => {
  expect(repoText({ kind: 'model', name: 'o/n', revision: 'main' })).toBe('o/n');
  expect(repoText({ kind: 'model', name: 'o/n', revision: 'v1' })).toBe('o/n@v1');
});
