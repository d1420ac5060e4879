import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { METRIC_NAMES } from '../../losses/metrics';
import { losses } from '../../losses/registry';
import { LOSSES } from '../../trainer/lossOptions';
import { resolveRunConfig, runConfigKeys, runConfigSchema, writtenConfig } from '../../trainer/runConfig';
import { flagName } from '../../util/optionIssues';
import { UserError } from '../../util/errors';

const needed = { model: 'm', train: 't.jsonl', output: 'o' };
const file = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'run-config-')), 'run.yaml');
  writeFileSync(path, text);
  return path;
};
const problem = (flags: Record<string, unknown>, path?: string) =>
  resolveRunConfig(flags, path).then(
    () => 'none',
    (error: unknown) => (error instanceof UserError ? error.message : `no UserError: ${String(error)}`),
  );

test('defaults, and none for what must be given', async () => {
  const config = await resolveRunConfig({ ...needed, beta: undefined });
  expect(config).toMatchObject({ ...needed, beta: 0.1, optimizer: 'rmsprop', maxGradNorm: 10, loss: 'sigmoid', schedule: 'constant' });
  expect(config.maxSteps).toBeUndefined();
  expect(Object.isFrozen(config)).toBe(true);
  expect(await problem({})).toBe('--model is missing; --train is missing; --output is missing');
});

test('flags override the file, whose names may be flags or keys', async () => {
  const path = file('model: m\ntrain: t.jsonl\noutput: o\nlearning-rate: 3e-6\nbatchSize: 2\nbeta: 0.5\n');
  expect(await resolveRunConfig({ beta: 0.2 }, path)).toMatchObject({ learningRate: 3e-6, batchSize: 2, beta: 0.2 });
});

test("a flag takes the place of what contradicts it in the file, also where that is a preset's written configuration", async () => {
  const path = file(JSON.stringify(writtenConfig(await resolveRunConfig({ ...needed, preset: 'mgpt' }))));
  expect(await resolveRunConfig({ eval: 'e.jsonl' }, path)).toMatchObject({ eval: 'e.jsonl', evalFraction: 0, loadBestModelAtEnd: true });
  expect(await resolveRunConfig({ warmupRatio: 0.1 }, path)).toMatchObject({ warmupSteps: 0, warmupRatio: 0.1 });
  const other = file('model: m\ntrain: t\noutput: o\neval: e.jsonl\nwarmup-ratio: 0.1\nresume: true\n');
  const turned = await resolveRunConfig({ evalFraction: 0.2, warmupSteps: 3, overwrite: true }, other);
  expect(turned).toMatchObject({ evalFraction: 0.2, warmupSteps: 3, warmupRatio: 0, resume: false });
  expect(turned.eval).toBeUndefined();
  // nothing of the file's is given up for an option that is off
  expect(await resolveRunConfig({ evalFraction: 0, warmupSteps: 0 }, other)).toMatchObject({ eval: 'e.jsonl', warmupRatio: 0.1 });
});

test('a file may list what flags separate by commas', async () => {
  const path = file('model: m\ntrain: t\noutput: o\nloss: [sigmoid, sft]\nloss-weights: [1, 0.5]\nlora-targets: [q_proj, v_proj]\n');
  expect(await resolveRunConfig({}, path)).toMatchObject({ loss: 'sigmoid,sft', lossWeights: '1,0.5', loraTargets: 'q_proj,v_proj' });
  expect(await resolveRunConfig(needed, file('loss-weights: 2'))).toMatchObject({ lossWeights: '2' });
});

test('a written configuration reads back the same, without the way the folder was treated', async () => {
  const config = await resolveRunConfig({ ...needed, seed: 5, maxSteps: 7, resume: true });
  const path = file(JSON.stringify(writtenConfig(config)));
  expect(await resolveRunConfig({}, path)).toEqual({ ...config, resume: false });
});

test('all problems are listed, each with its flag or its place in the file', async () => {
  expect(await problem({ ...needed, beta: -1, batchSize: 2.5, optimizer: 'adan', device: 'gpu', learningRate: NaN })).toBe(
    [
      '--beta is -1: must be more than 0',
      '--learning-rate is not a number: must be a number',
      '--optimizer is "adan": allowed: rmsprop, adamw, adam, sgd; did you mean adam?',
      '--batch-size is 2.5: must be a whole number',
      '--device is "gpu": allowed: auto, cpu, cuda, cuda:N',
    ].join('; '),
  );
  const path = file('model: m\ntrain: 3\noutput: o\nbeat: 0.1\nzzzzzz: 1\n');
  const message = await problem({}, path);
  expect(message).toContain(`${path}: train is 3: must be a string`);
  expect(message).toContain(`${path}: beat: unknown option; did you mean beta?`);
  expect(message).toContain(`${path}: zzzzzz: unknown option; known: model, train, eval`);
});

test('a bound that is not allowed itself is said so', async () => {
  expect(await problem({ ...needed, loraRank: 2, loraDropout: 1 })).toBe('--lora-dropout is 1: must be less than 1');
});

test('contradictions and broken files are refused', async () => {
  expect(await problem({ ...needed, resume: true, overwrite: true })).toContain('--resume goes on with the run');
  expect(await problem(needed, '/nowhere/run.yaml')).toBe('cannot read /nowhere/run.yaml: no such file or folder');
  expect(await problem(needed, file('beta: [1'))).toContain('not valid YAML');
  expect(await problem(needed, file('- beta'))).toContain('want options as "name: value" lines');
  expect(await problem(needed, file('beta: 1\nlearning-rate: 1\nlearningRate: 1'))).toContain('learningRate is given twice');
  expect(await problem({ ...needed, adamBeta1: 0.8 })).toBe(
    '--adam-beta1 is 0.8: it belongs to adam and adamw, and --optimizer is rmsprop',
  );
  expect(await problem({ ...needed, optimizer: 'adamw', momentum: 0.9 })).toContain('it belongs to rmsprop and sgd');
  expect(await problem({ ...needed, loss: 'hinge', labelSmoothing: 0.1 })).toContain(
    'it belongs to sigmoid, robust, exo_pair, aot, aot_unpaired, and --loss is hinge',
  );
  expect(await problem({ ...needed, loss: 'exo_pair' })).toContain('--loss exo_pair needs a --label-smoothing');
  expect(await problem({ ...needed, warmupSteps: 3, warmupRatio: 0.1 })).toContain('give one of them');
  for (const [key, flag] of [
    ['maxPromptLength', 'prompt'],
    ['maxCompletionLength', 'completion'],
  ])
    expect(await problem({ ...needed, [key]: 1024 })).toBe(
      `--max-${flag}-length is 1024: it must be less than --max-length, which is 1024 (0: none)`,
    );
  expect(await problem({ ...needed, maxPromptLength: 2000, maxLength: 0 })).toBe('none');
  expect(await problem({ ...needed, loraRank: 2, loraDropout: 0.1, cudaGraphs: 'on' })).toBe(
    '--cuda-graphs on and --lora-dropout 0.1: dropout draws anew in each step; give one of them',
  );
  expect(await problem({ ...needed, loraRank: 2, loraDropout: 0, cudaGraphs: 'on' })).toBe('none');
  expect(await problem(needed, file('version: 2'))).toContain('this program reads version 1');
});

test.each([
  [
    { evalFraction: 0.1, eval: 'e.jsonl' },
    '--eval-fraction 0.1 holds back pairs to evaluate on, and --eval e.jsonl gives them: give one of them',
  ],
  [{ loadBestModelAtEnd: true }, '--load-best-model-at-end needs pairs to evaluate on: give --eval or --eval-fraction'],
  [{ earlyStoppingPatience: 2 }, '--early-stopping-patience needs pairs to evaluate on: give --eval or --eval-fraction'],
  [
    { loadBestModelAtEnd: true, eval: 'e.jsonl', evalEverySteps: 0 },
    '--load-best-model-at-end needs evaluations during the run, and --eval-every-steps is 0: at the end alone',
  ],
  [{ eval: 'e', earlyStoppingThreshold: 0.1 }, '--early-stopping-threshold is 0.1: it belongs to --early-stopping-patience'],
  [
    { eval: 'e', metricForBestModel: 'eval_rewards/margins' },
    '--metric-for-best-model is eval_rewards/margins: it belongs to --load-best-model-at-end and --early-stopping-patience',
  ],
  [
    { eval: 'e', greaterIsBetter: false },
    '--greater-is-better is false: it belongs to --load-best-model-at-end and --early-stopping-patience',
  ],
])('what evaluations decide, refused: %j', async (options, message) => {
  expect(await problem({ ...needed, ...options })).toBe(message);
});

test.each([
  [{ loss: 'sigmoid,hing' }, '--loss is "sigmoid,hing": allowed: sigmoid, hinge, .*; did you mean hinge\\?$'],
  [{ loss: 'sigmoid,sft', lossWeights: '1' }, '^--loss-weights 1 has 1 weights, and --loss sigmoid,sft 2 losses: give one each$'],
  [{ loss: 'sigmoid,sft', lossWeights: '0,0' }, '^--loss-weights 0,0 leave nothing to train: one at least must not be 0$'],
  [{ lossWeights: '1,x' }, '^--loss-weights is "1,x": must be numbers separated by commas$'],
  [{ loss: 'exo_pair,sft' }, '^--loss exo_pair needs a --label-smoothing'],
  [
    { loss: 'sigmoid,nca_pair', fDivergenceType: 'forward_kl' },
    '^--f-divergence-type is forward_kl: it belongs to .*, and --loss has nca_pair$',
  ],
  [{ loss: 'sft', fDivergenceType: 'forward_kl' }, '--loss sft alone has no use for it'],
  [{ fDivergenceType: 'forward_kl', fAlphaDivergenceCoef: 0.4 }, '^--f-alpha-divergence-coef is 0.4: it belongs to alpha_divergence'],
  [{ loss: 'sft', ldAlpha: 0.5 }, '^--ld-alpha is 0.5: --loss sft alone has no use for it$'],
  [{ loss: 'sigmoid,aot', useWeighting: true }, '^--use-weighting weighs pairs, and aot is a loss of the whole batch'],
  [{ ldAlpha: 2 }, '^--ld-alpha is 2: must be at most 1$'],
  [{ discopopTau: 0.1 }, '^--discopop-tau is 0.1: it belongs to discopop, and --loss is sigmoid$'],
])('losses, refused: %j', async (options, message) => {
  expect(await problem({ ...needed, ...options })).toMatch(new RegExp(message));
});

test("an evaluation's figure may be named without its prefix, and no other", async () => {
  const options = { ...needed, eval: 'e.jsonl', loadBestModelAtEnd: true };
  expect(await resolveRunConfig({ ...options, metricForBestModel: 'rewards/margins' })).toMatchObject({
    metricForBestModel: 'eval_rewards/margins',
  });
  expect(runConfigSchema.shape.metricForBestModel.unwrap().options).toEqual(METRIC_NAMES.map((name) => `eval_${name}`));
  expect(await problem({ ...options, metricForBestModel: 'accuracy' })).toContain(
    '--metric-for-best-model is "eval_accuracy": allowed: eval_loss, ',
  );
});

test('every option has help text, and the losses are those that exist', () => {
  for (const [key, schema] of Object.entries(runConfigSchema.shape)) expect([key, schema.description]).toEqual([key, expect.any(String)]);
  expect([...LOSSES].sort()).toEqual(Object.keys(losses).sort());
  expect(flagName('evalEverySteps')).toBe('eval-every-steps');
});

test('every option is read by the code that trains', () => {
  const root = join(__dirname, '../..');
  const sources = [
    ...readdirSync(join(root, 'trainer'))
      .filter((name) => !['runOptions.ts', 'runConfig.ts'].includes(name))
      .map((name) => join(root, 'trainer', name)),
    join(root, 'bin/dpo-train.ts'),
  ].map((path) => readFileSync(path, 'utf8'));
  const code = sources.join('\n').replace(/\/\*[\s\S]*?\*\/|\/\/.*|'[^'\n]*'/g, '');
  // `config.key`, `options.key`, or the key taken out of one of them: `{ key, … } … = …` or as a parameter
  const unread = runConfigKeys.filter(
    (key) => !new RegExp(`(config|options)\\.${key}\\b|\\{[^{}:]*\\b${key}\\b[^{}:]*\\}(: \\w+)?(\\)| = (config|options))`).test(code),
  );
  expect(unread).toEqual([]);
});
