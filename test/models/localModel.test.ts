import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localModel } from '../../models/localModel';
import { readConfig } from '../../models/readConfig';
import { modelHash } from '../../models/modelHash';
import { hubServer } from '../util/hub/hubServer';
import { goldenModels } from './goldens';

test('a model on the hub is the same model as its folder', async () => {
  const folder = join(goldenModels, 'gpt2');
  const commit = 'e'.repeat(40);
  const files = Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
  const server = await hubServer([
    { kind: 'model', name: 'o/tiny', revisions: { main: commit }, files: { [commit]: files }, lfs: ['model.safetensors'] },
  ]);
  const cacheFolder = mkdtempSync(join(tmpdir(), 'hub-cache-'));
  const settings = { endpoint: server.endpoint, offline: false, cacheFolder };
  const local = await localModel('o/tiny@main', { progress: () => {}, say: () => {}, settings });
  await server.close();
  expect(local.startsWith(cacheFolder)).toBe(true);
  expect((await readConfig(local)).config.vocabulary).toBe((await readConfig(folder)).config.vocabulary);
  expect(await modelHash(local, cacheFolder)).toBe(await modelHash(folder, cacheFolder));
  expect(await localModel(folder, { progress: () => {}, say: () => {} })).toBe(folder);
});
