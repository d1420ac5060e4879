import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEngine } from '../../../engine/startEngine';
import { pooledHidden, textSequences } from '../../../eval/pooledHidden';
import { createScorer } from '../../../eval/scorers/createScorer';
import { probeScores } from '../../../eval/scorers/probe';
import { readProbe, writeProbe, type ProbeFile } from '../../../eval/scorers/probeFile';
import { loadModel } from '../../../models/loadModel';
import { modelHash } from '../../../models/modelHash';
import { saveModel } from '../../../models/saveModel';
import { silent } from '../../../util/progress';
import { letters, tinyModel } from '../tinyModel';

const hub = { progress: silent, say: () => {} };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'probe-'));
  await startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' });
});
afterAll(() => rm(folder, { recursive: true }));

const probe: ProbeFile = {
  version: 1,
  kind: 'toxicity-probe',
  model: { name: 'tiny', hash: '0'.repeat(64) },
  layer: 2,
  pooling: 'mean-after-first',
  width: 8,
  mean: [0, 1, 0, 0, 0.5, 0, 0, 0],
  scale: [1, 2, 1, 1, 1, 1, 0.25, 1],
  weights: [0.1, -0.2, 0.3, 0.123456789, 0, 0, 1, 0],
  bias: -0.5,
  training: { auc: { fr: 0.9 } },
};

test('a score is the logistic function of the standardised pooled hidden state', async () => {
  const model = tinyModel('gpt2');
  const texts = ['abc', '', 'hello'];
  const scores = await probeScores(probe, model, letters, texts);
  expect(scores[1]).toBeNull();
  const [pooled] = await pooledHidden(model, textSequences(letters, texts, 40), [2]);
  for (const row of [0, 2]) {
    let logit = -0.5;
    for (let i = 0; i < 8; i++) logit += (probe.weights[i] * (pooled[row * 8 + i] - probe.mean[i])) / probe.scale[i];
    expect(scores[row]).toBeCloseTo(1 / (1 + Math.exp(-logit)), 6);
  }
  await expect(probeScores({ ...probe, layer: 4 }, model, letters, texts)).rejects.toThrow(
    /the probe reads layer 4, 8 wide; tiny has 3 layers, 8 wide/,
  );
});

test('a probe is written with 6 significant digits and read back', async () => {
  const file = join(folder, 'probe.json');
  await writeProbe(file, probe);
  expect(await readProbe(file)).toEqual({ ...probe, weights: probe.weights.map((value) => (value === 0.123456789 ? 0.123457 : value)) });
  expect((await readFile(file, 'utf8')).split('\n').length).toBeLessThan(30);
});

test.each([
  [{ version: 2 }, /bad\.json: not a probe: version: /],
  [{ weights: [1] }, /weights: has 1 numbers; width is 8/],
  [{ scale: [1, 2, 1, 1, 1, 1, 0, 1] }, /scale\.6: /],
  [{ pooling: 'last' }, /pooling: /],
])('a damaged probe: %j', async (change, message) => {
  const file = join(folder, 'bad.json');
  await writeFile(file, JSON.stringify({ ...probe, ...change }));
  await expect(readProbe(file)).rejects.toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
});

test('the hash of a folder is that of the model loaded from it', async () => {
  const saved = join(folder, 'model');
  await saveModel(tinyModel('gpt2'), saved);
  await writeFile(join(saved, 'config.json'), JSON.stringify({ ...tinyModel('gpt2').rawConfig, model_type: 'gpt2' }));
  const cacheFolder = join(folder, 'cache');
  const model = await loadModel(saved, { trainable: false, cacheFolder });
  expect(await modelHash(saved, cacheFolder)).toBe(model.contentHash);

  const file = join(folder, 'matched.json');
  const candidates = [{ option: '--model', folder: saved }];
  await writeProbe(file, probe);
  await expect(createScorer(`probe:${file}`, { candidates, cacheFolder, hub })).rejects.toThrow(
    /matched\.json: this probe reads tiny \(content hash 0{16}…\); none of the models given is it: --model .*model; name its folder with --scorer-model/,
  );
  await writeProbe(file, { ...probe, model: { name: 'tiny', hash: model.contentHash }, languages: ['en', 'fr'] });
  const scorer = await createScorer(`probe:${file}`, { candidates, cacheFolder, hub });
  expect(scorer.name).toBe('probe:matched.json');
  expect(scorer.revision).toMatch(/^[0-9a-f]{64}$/);
  expect([scorer.supports('fr'), scorer.supports('de')]).toEqual([true, false]);
  expect(await scorer.score([{ language: 'de', text: 'abc' }])).toEqual([null]);
});

test.each([
  ['lexicn', /unknown scorer "lexicn"; did you mean "lexicon"\? known: lexicon, probe:FILE, classifier:MODEL\[:LABEL\]/],
  ['clasifier:x', /did you mean "classifier:MODEL\[:LABEL\]"\?/],
  ['classifier', /did you mean "classifier:MODEL\[:LABEL\]"\?/],
  ['classifier:nowhere', /cannot read model folder nowhere: no such file/],
  ['classifier:nowhere:', /classifier:nowhere:: no label behind the colon/],
  ['probe', /unknown scorer "probe"; did you mean "probe:FILE"\?/],
  ['perspective', /unknown scorer "perspective"; known/],
  ['probe:nowhere.json', /cannot read nowhere\.json: no such file/],
])('scorer %s', async (spec, message) => {
  await expect(createScorer(spec, { candidates: [], cacheFolder: folder, hub })).rejects.toMatchObject({
    name: 'UserError',
    message: expect.stringMatching(message),
  });
});

test('scorer lexicon', async () => {
  expect((await createScorer('lexicon', { candidates: [], cacheFolder: folder, hub })).name).toBe('lexicon');
});
