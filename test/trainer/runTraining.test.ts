import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine, useEngine } from '../../engine/engine';
import { resolveRunConfig } from '../../trainer/runConfig';
import { runTraining, type RunHost } from '../../trainer/runTraining';
import { launchesBound } from '../../trainer/stepGradients';
import { UserError } from '../../util/errors';
import type { ProgressEvent } from '../../util/progress';
import { startTestEngine } from '../models/testEngine';
import { replayRecorder } from './replayRecorder';
import { goldenPairs } from './trainingGolden';
import { trainingRuns } from './trainingRun';

// five steps an epoch, the last of two pairs: 7 steps end in the second epoch
const options = { batchSize: 4, maxSteps: 7, learningRate: 1e-3, warmupSteps: 2, schedule: 'linear', seed: 11 };
const { root, model, train: trainFile, evaluation: evalFile, jsonl, run, remove } = trainingRuns(options);
const base = { model, train: trainFile, ...options };

beforeAll(() => startTestEngine());
afterAll(remove);

const modelBytes = (folder: string): Buffer => readFileSync(join(folder, 'model', 'model.safetensors'));
const problem = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => (error instanceof UserError ? error.message : `no UserError: ${(error as Error).stack}`),
  );

let whole: Awaited<ReturnType<typeof run>>;
beforeAll(async () => {
  whole = await run('whole', { eval: evalFile, evalEverySteps: 3, saveEverySteps: 3 });
});

test('a run leaves its configuration, metrics, checkpoints and a model folder that works', () => {
  expect(whole.outcome).toEqual({
    step: 7,
    totalSteps: 7,
    modelFolder: join(whole.output, 'model'),
    checkpointFolder: join(whole.output, 'checkpoints', 'step-7'),
  });
  expect(readdirSync(whole.output).sort()).toEqual(['checkpoints', 'config.json', 'metrics.jsonl', 'model']);
  expect(readdirSync(join(whole.output, 'checkpoints')).sort()).toEqual(['step-3', 'step-6', 'step-7']);
  expect(readdirSync(whole.outcome.modelFolder!).sort()).toEqual([
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  expect(JSON.parse(readFileSync(join(whole.output, 'config.json'), 'utf8'))).toMatchObject({ version: 1, ...base });
  const lines = whole.metrics
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>);
  expect(lines.filter((line) => 'loss' in line).map((line) => line.step)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(lines.filter((line) => 'eval_loss' in line).map((line) => line.step)).toEqual([3, 6, 7]);
  expect(Math.abs(lines[0].loss - Math.LN2)).toBeLessThan(1e-6);
  expect(lines[0].learning_rate).toBe(0);
  expect(lines.find((line) => line.step === 5)!.epoch).toBe(1);
  expect(modelBytes(whole.output)).not.toEqual(readFileSync(join(model, 'model.safetensors')));
});

test('the same seed gives the same bytes, another seed others; evaluating and saving change nothing', async () => {
  const again = await run('again', { eval: evalFile, evalEverySteps: 3, saveEverySteps: 3 });
  expect(again.metrics).toBe(whole.metrics);
  expect(modelBytes(again.output)).toEqual(modelBytes(whole.output));
  const bare = await run('bare', { saveEverySteps: 0 });
  expect(modelBytes(bare.output)).toEqual(modelBytes(whole.output));
  expect(existsSync(join(bare.output, 'checkpoints'))).toBe(false);
  const other = await run('other', { saveEverySteps: 0, seed: 12 });
  expect(modelBytes(other.output)).not.toEqual(modelBytes(whole.output));
});

test.each([
  { optimizer: 'rmsprop' },
  { optimizer: 'rmsprop', momentum: 0.9, weightDecay: 0.1 },
  { optimizer: 'adamw', adamBeta1: 0.8 },
  { optimizer: 'sgd', momentum: 0.9 },
  { optimizer: 'sgd' },
  { optimizer: 'adamw', batchSize: 2, gradientAccumulationSteps: 2 },
])('a run stopped between log lines and resumed equals one that was not: %j', async (chosen) => {
  // a log line spans two steps: the first half of one lies in the checkpoint
  const options = { ...chosen, logEverySteps: 2, saveEverySteps: 0 };
  const optimizer = Object.values(chosen).join('-');
  const uninterrupted = await run(`${optimizer}-through`, options);
  const stopped = await run(`${optimizer}-stopped`, options, 3);
  expect(stopped.outcome).toEqual({ step: 3, totalSteps: 7, checkpointFolder: join(stopped.output, 'checkpoints', 'step-3') });
  expect(existsSync(join(stopped.output, 'model'))).toBe(false);
  const resumed = await run(`${optimizer}-stopped`, { ...options, resume: true });
  expect(resumed.said).toContain('going on after step 3');
  expect(resumed.metrics).toBe(uninterrupted.metrics);
  expect(modelBytes(resumed.output)).toEqual(modelBytes(uninterrupted.output));
});

test('a killed run: what came after the last whole checkpoint is cut and computed again', async () => {
  const killed = join(root, 'killed');
  cpSync(whole.output, killed, { recursive: true });
  rmSync(join(killed, 'model'), { recursive: true });
  // step 7 is damaged, step 9 was never finished, the log ends in half a line
  truncateSync(join(killed, 'checkpoints', 'step-7', 'optimizer.safetensors'), 100);
  mkdirSync(join(killed, 'checkpoints', '.step-9.abc.tmp'));
  for (const left of ['checkpoints/step-9.0123abcd.tmp', 'checkpoints/step-6.0123abcd.old', 'model.0123abcd.tmp'])
    mkdirSync(join(killed, left));
  writeFileSync(join(killed, 'metrics.jsonl'), `${whole.metrics}{"step":8,"lo`);
  const resumed = await run('killed', { eval: evalFile, evalEverySteps: 3, saveEverySteps: 3, resume: true });
  expect(resumed.said).toContain('going on after step 6');
  expect(resumed.metrics).toBe(whole.metrics);
  expect(modelBytes(killed)).toEqual(modelBytes(whole.output));
  expect(readdirSync(join(killed, 'checkpoints')).sort()).toEqual(['step-3', 'step-6', 'step-7']);
  expect(readdirSync(killed).sort()).toEqual(['checkpoints', 'config.json', 'metrics.jsonl', 'model']);
});

test('resuming with nothing to resume starts; a finished run trains no more', async () => {
  const fresh = await run('fresh', { resume: true });
  expect(fresh.said.join('\n')).toContain('no checkpoint');
  expect(modelBytes(fresh.output)).toEqual(modelBytes(whole.output));
  const before = fresh.metrics;
  const again = await run('fresh', { resume: true });
  expect(again.outcome.step).toBe(7);
  expect(again.metrics).toBe(before);
  expect(modelBytes(again.output)).toEqual(modelBytes(whole.output));
});

test('only the latest checkpoints are kept where asked, and the model still has its tokenizer', async () => {
  await run('keep', { saveEverySteps: 2, keepCheckpoints: 1 }, 4);
  const resumed = await run('keep', { saveEverySteps: 1, keepCheckpoints: 1, resume: true });
  expect(readdirSync(join(resumed.output, 'checkpoints'))).toEqual(['step-7']);
  expect(readdirSync(resumed.outcome.modelFolder!)).toContain('tokenizer.json');
});

test('reference log-probabilities are computed once: the next run takes them from the cache, a longer one computes what is missing', async () => {
  const cache = join(root, 'own-cache');
  const computed = (events: ProgressEvent[]) =>
    Math.max(0, ...events.filter(({ stage }) => stage === 'reference log-probabilities').map(({ total }) => total));
  const first = await run('first', { cache, maxSteps: 2, saveEverySteps: 0 });
  expect(computed(first.events)).toBe(8);
  const second = await run('second', { cache, maxSteps: 2, saveEverySteps: 0, learningRate: 2e-3 });
  expect(computed(second.events)).toBe(0);
  const third = await run('third', { cache, maxSteps: 4, saveEverySteps: 0 });
  expect(computed(third.events)).toBe(8);
  const [file] = readdirSync(join(cache, 'reference'));
  truncateSync(join(cache, 'reference', file), 200);
  const damaged = await run('damaged', { cache, maxSteps: 2, saveEverySteps: 0 });
  expect(computed(damaged.events)).toBe(8);
  expect(damaged.metrics).toBe(first.metrics);
});

test('a folder that holds a run is left alone unless told otherwise', async () => {
  const before = whole.metrics;
  expect(await problem(run('whole'))).toBe(
    `${whole.output} already holds a run (config.json): --resume goes on with it, --overwrite deletes it`,
  );
  expect(whole.metrics).toBe(before);
  cpSync(whole.output, join(root, 'overwritten'), { recursive: true });
  writeFileSync(join(root, 'overwritten', 'notes.txt'), 'mine');
  const anew = await run('overwritten', { overwrite: true, maxSteps: 1, saveEverySteps: 0 });
  expect(anew.metrics.trim().split('\n').length).toBe(1);
  expect(readdirSync(anew.output).sort()).toEqual(['config.json', 'metrics.jsonl', 'model', 'notes.txt']);
});

test('a model inside the folder that the run would overwrite is refused', async () => {
  expect(await problem(run('whole', { model: join(whole.output, 'model'), overwrite: true }))).toContain('lies in --output');
});

test('going on with other options, data or model is refused, the differences named', async () => {
  const message = await problem(run('whole', { resume: true, learningRate: 5e-4, batchSize: 2, train: evalFile }));
  expect(message).toContain(`cannot resume ${whole.output}: --learning-rate was 0.001, now 0.0005; --batch-size was 4, now 2;`);
  expect(message).toContain(`${evalFile} does not hold the pairs that the run started with`);
});

test('a checkpoint of a version that knew fewer options goes on with their defaults, and not with others', async () => {
  const older = await run('older', {}, 3);
  const file = join(older.outcome.checkpointFolder!, 'state.json');
  const state = JSON.parse(readFileSync(file, 'utf8')) as { config: Record<string, unknown> };
  for (const key of ['momentum', 'weightDecay', 'adamBeta1', 'adamBeta2', 'adamEpsilon']) delete state.config[key];
  const text = `${JSON.stringify(state)}\n`;
  writeFileSync(file, text);
  const manifestFile = join(older.outcome.checkpointFolder!, 'manifest.json');
  const manifest = JSON.parse(readFileSync(manifestFile, 'utf8')) as { files: Record<string, number> };
  manifest.files['state.json'] = text.length;
  writeFileSync(manifestFile, JSON.stringify(manifest));
  expect(await problem(run('older', { resume: true, weightDecay: 0.1 }))).toContain('--weight-decay was 0, now 0.1');
  const resumed = await run('older', { resume: true });
  expect(resumed.said).toContain('going on after step 3');
  expect(modelBytes(resumed.output)).toEqual(modelBytes(whole.output));
});

test("a chat template's date is that of the run's start, whatever the day on which it goes on", async () => {
  const dated = join(root, 'dated-model');
  cpSync(model, dated, { recursive: true });
  writeFileSync(
    join(dated, 'chat_template.jinja'),
    `w{{ strftime_now('%-d') }} {% for message in messages %}{{ message.content }} {% endfor %}`,
  );
  const options = { model: dated, applyChatTemplate: true, maxSteps: 4 };
  const day = (output: string) =>
    (JSON.parse(readFileSync(join(output, 'config.json'), 'utf8')) as Record<string, unknown>).chatTemplateDate;
  const through = await run('dated-through', { ...options, chatTemplateDate: '2020-02-05' });
  await run('dated', { ...options, chatTemplateDate: '2020-02-05' }, 2);
  expect(await problem(run('dated', { ...options, chatTemplateDate: '2020-02-06', resume: true }))).toMatch(
    /cannot resume .*dated: --chat-template-date was 2020-02-05, now 2020-02-06; .* does not hold the pairs that the run started with/,
  );
  const resumed = await run('dated', { ...options, resume: true });
  expect(resumed.said).toContain('going on after step 2');
  expect(resumed.metrics).toBe(through.metrics);
  expect(day(resumed.output)).toBe('2020-02-05');
  expect(day((await run('dated-today', { ...options, maxSteps: 1 })).output)).toMatch(/^20\d\d-\d\d-\d\d$/);
  expect(day(whole.output)).toBeUndefined();
  expect(await problem(run('undated', { chatTemplateDate: '2020-02-05' }))).toMatch(
    /--chat-template-date is 2020-02-05: .* writes no date/,
  );
});

test('bad input leaves nothing behind', async () => {
  expect(await problem(run('bad', { train: join(root, 'none.jsonl') }))).toBe(
    `cannot read ${join(root, 'none.jsonl')}: no such file or folder`,
  );
  expect(await problem(run('bad', { model: join(root, 'none') }))).toContain('no such file or folder');
  const broken = jsonl('broken.jsonl', [...goldenPairs.train.slice(0, 2), { prompt: 'w2', chosen: ' w3' }]);
  expect(await problem(run('bad', { train: broken }))).toContain(`${broken}:3`);
  expect(existsSync(join(root, 'bad'))).toBe(false);
});

test('a run that breaks down says so and makes no model', async () => {
  const message = await problem(run('breakdown', { learningRate: 1e30, warmupSteps: 0, maxGradNorm: 1e9 }));
  expect(message).toContain('training broke down at step 2: ');
  expect(existsSync(join(root, 'breakdown', 'model'))).toBe(false);
});

test('told to stop before the first step, a run writes nothing but its caches', async () => {
  const stopped = await run('at-once', { cache: join(root, 'new-cache') }, -1);
  expect(stopped.outcome).toEqual({ step: 0, totalSteps: 7 });
  expect(existsSync(stopped.output)).toBe(false);
});

test('no tensor outlives its run', async () => {
  const before = tf.memory().numTensors;
  await run('memory', { eval: evalFile, saveEverySteps: 2, maxSteps: 3 });
  await problem(run('memory', { resume: true, seed: 99 }));
  expect(tf.memory().numTensors).toBe(before);
});

test('blocks computed again in the backward pass: the same run', async () => {
  const figures = (text: string): Record<string, number>[] =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number>);
  const recomputed = figures((await run('recomputed', { recompute: 'blocks', maxSteps: 4 })).metrics);
  const plain = figures((await run('plain', { maxSteps: 4 })).metrics);
  expect(recomputed.length).toBe(4);
  recomputed.forEach((line, i) =>
    Object.entries(line).forEach(([name, value]) => expect(Math.abs(value - plain[i][name])).toBeLessThan(1e-5)),
  );
});

test('an engine that cannot recompute says so, and a GPU logs its peak of memory', async () => {
  const engine = currentEngine();
  try {
    useEngine({ ...engine, name: 'wasm' });
    expect(await problem(run('refused', { recompute: 'blocks' }))).toContain('--recompute blocks: the wasm engine keeps everything');
    useEngine({ ...engine, peakMemory: () => 3 * 2 ** 29 });
    expect((await run('counted', { maxSteps: 1 })).metrics).toContain('"memory/peak_gib":1.5');
  } finally {
    useEngine(engine);
  }
});

test('CUDA graphs: asked for on a CPU they are refused; a run says which it takes, or why none', async () => {
  expect(await problem(run('graphs', { cudaGraphs: 'on' }))).toMatch(
    /^--cuda-graphs on: they need a GPU and the torch engine, and this is torch /,
  );
  const engine = currentEngine();
  const { recorder, counts } = replayRecorder();
  const lines = async (options: Record<string, unknown>): Promise<string[]> =>
    (await run(`graphs ${JSON.stringify(options)}`, { maxSteps: 40, loraRank: 2, ...options })).said.filter((line) =>
      line.includes('CUDA'),
    );
  try {
    useEngine({ ...engine, graphRecorder: () => recorder });
    expect(await lines({ maxSteps: 6 })).toEqual([
      'CUDA graphs are not used: the run has 5 batches of 4 pairs, and recording pays from 16',
    ]);
    expect(await lines({ loraDropout: 0.1 })).toEqual(["CUDA graphs are not used: LoRA's dropout draws anew in each step"]);
    expect(await problem(lines({ maxSteps: 6, cudaGraphs: 'on', overwrite: true }))).toMatch(
      /^--cuda-graphs on: the run has 5 batches of 4 pairs/,
    );
    expect(await lines({ cudaGraphs: 'off' })).toEqual([]);
    expect(counts.recorded).toBe(0);
    expect(await lines({})).toEqual([expect.stringMatching(/^CUDA graphs for batches of up to \d+(, \d+)? tokens$/)]);
    expect(counts.live).toBe(0);
    useEngine({ ...engine, graphRecorder: () => 'no headers' });
    expect(await lines({ seed: 1 })).toEqual(['CUDA graphs are not used: no headers']);
  } finally {
    useEngine(engine);
  }
});

test('launches bound a step whose arithmetic is small beside its layers', () => {
  const weights = { a: { size: 1e9 } } as never;
  const config = { layers: 24 } as never;
  // 6e9 operations a row at 4e13 a second: 24 ms are 160 rows
  expect(launchesBound({ config, weights }, 159)).toBe(true);
  expect(launchesBound({ config, weights }, 161)).toBe(false);
});

test('a file of evaluation pairs that is not there is named before anything is tokenised', async () => {
  const events: ProgressEvent[] = [];
  const config = await resolveRunConfig({
    ...base,
    eval: join(root, 'missing.jsonl'),
    output: join(root, 'no eval'),
    cache: join(root, 'fresh cache'),
  });
  const host: RunHost = { progress: (event) => events.push(event), say: () => undefined, shouldStop: () => false };
  expect(await problem(runTraining(config, host))).toMatch(/missing\.jsonl/);
  expect(events.filter(({ stage }) => stage.includes('tokenis'))).toEqual([]);
});
