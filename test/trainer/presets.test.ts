import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveEstimateConfig } from '../../trainer/estimateConfig';
import { presetNames, presets } from '../../trainer/presets';
import { resolveRunConfig, runConfigSchema, writtenConfig } from '../../trainer/runConfig';

const needed = { train: 't.jsonl', output: 'o' };
const file = (options: Readonly<Record<string, unknown>>): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'presets-')), 'run.yaml');
  writeFileSync(path, JSON.stringify(options));
  return path;
};

test.each(presetNames)("%s: every option is the schema's, and the run has the preset's values", async (preset) => {
  expect(Object.keys(presets[preset]).filter((key) => !Object.hasOwn(runConfigSchema.shape, key))).toEqual([]);
  const config = await resolveRunConfig({ ...needed, preset });
  expect(config).toMatchObject({ ...presets[preset], preset });
  expect(config).toMatchObject({ learningRate: 1e-5, batchSize: 4, epochs: 5, warmupSteps: 150, weightDecay: 0, momentum: 0 });
});

test('models below 7 B are trained whole, the others by QLoRA', async () => {
  for (const preset of presetNames) {
    const { loraRank, quantization } = await resolveRunConfig({ ...needed, preset });
    expect([preset, loraRank, quantization]).toEqual([
      preset,
      ...(/[78]b/.test(preset.replace('1b7', '')) ? [64, 'fp4'] : [undefined, 'none']),
    ]);
  }
});

test('flags override the file, the file the preset, the preset the defaults', async () => {
  const path = file({ preset: 'llama3-8b', learningRate: 2e-5, batchSize: 2 });
  expect(await resolveRunConfig({ ...needed, batchSize: 3, quantization: 'nf4' }, path)).toMatchObject({
    ...{ batchSize: 3, quantization: 'nf4', learningRate: 2e-5, beta: 0.1, loraAlpha: 16, momentum: 0 },
    model: 'meta-llama/Meta-Llama-3-8B',
  });
  expect(await resolveRunConfig({ ...needed, preset: 'mgpt' }, path)).toMatchObject({ model: 'ai-forever/mGPT', learningRate: 2e-5 });
});

test("a preset's options give way to those that would contradict them", async () => {
  expect(await resolveRunConfig({ ...needed, preset: 'mgpt', warmupRatio: 0.1 })).toMatchObject({ warmupSteps: 0, warmupRatio: 0.1 });
  const config = await resolveRunConfig({ ...needed, preset: 'aya23-8b', adapter: 'a' });
  expect([config.loraRank, config.loraAlpha, config.loraTargets, config.loraDropout]).toEqual([undefined, undefined, undefined, 0.05]);
});

test('a written configuration holds the values and reads back the same', async () => {
  const config = await resolveRunConfig({ ...needed, preset: 'bloom-7b1', warmupRatio: 0.1 });
  const written = writtenConfig(config);
  expect(written).toMatchObject({ preset: 'bloom-7b1', model: 'bigscience/bloom-7b1', loraRank: 64, learningRate: 1e-5, warmupSteps: 0 });
  expect(await resolveRunConfig({}, file(written))).toEqual(config);
});

test('an unknown preset is refused with the nearest one', async () => {
  const list = 'mgpt, bloom-1b7, bloom-7b1, llama2-7b, llama3-8b, aya23-8b';
  await expect(resolveRunConfig({ ...needed, model: 'm', preset: 'llama3' })).rejects.toThrow(
    new Error(`--preset is "llama3": allowed: ${list}; did you mean llama3-8b?`),
  );
  expect(() => resolveEstimateConfig({ model: 'm', preset: 'mgtp' })).toThrow(`--preset is "mgtp": allowed: ${list}; did you mean mgpt?`);
});

test('an estimate takes what it knows of a preset', () => {
  expect(resolveEstimateConfig({ preset: 'llama3-8b', batchSize: 2 })).toMatchObject({
    ...{ model: 'meta-llama/Meta-Llama-3-8B', batchSize: 2, loraRank: 64, recompute: 'blocks', optimizer: 'rmsprop' },
  });
});

test('docs/presets.md lists every preset with its model', () => {
  const text = readFileSync(join(__dirname, '../../docs/presets.md'), 'utf8');
  for (const name of presetNames) expect(text).toMatch(new RegExp(`\\| \`${name}\` +\\| \`${presets[name].model}\``));
});

test('the best model, early stopping and the held-out pairs are those of the code, and give way', async () => {
  const judged = { loadBestModelAtEnd: true, metricForBestModel: 'eval_loss', earlyStoppingPatience: 10 };
  const preset = await resolveRunConfig({ ...needed, preset: 'mgpt' });
  expect(preset).toMatchObject({ ...judged, evalFraction: 0.05, evalEverySteps: 25, maxCharacters: 256 });
  expect(await resolveRunConfig({ ...needed, preset: 'mgpt', eval: 'e.jsonl' })).toMatchObject({
    ...judged,
    evalFraction: 0,
    eval: 'e.jsonl',
  });
  expect(await resolveRunConfig({ ...needed, preset: 'mgpt', earlyStoppingPatience: 0, evalFraction: 0.1 })).toMatchObject({
    ...{ ...judged, earlyStoppingPatience: 0, evalFraction: 0.1 },
  });
  for (const none of [{ evalFraction: 0 }, { evalEverySteps: 0 }])
    expect(await resolveRunConfig({ ...needed, preset: 'mgpt', ...none })).toMatchObject({
      ...none,
      loadBestModelAtEnd: false,
      earlyStoppingPatience: 0,
    });
  const written = writtenConfig(await resolveRunConfig({ ...needed, preset: 'mgpt', eval: 'e.jsonl' }));
  expect(await resolveRunConfig({}, file(written))).toMatchObject({ ...judged, evalFraction: 0, eval: 'e.jsonl' });
});
