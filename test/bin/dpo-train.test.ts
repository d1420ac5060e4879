import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { runConfigKeys } from '../../trainer/runConfig';
import { flagName } from '../../util/optionIssues';
import { goldenModels } from '../models/goldens';
import { goldenPairs, trainingGoldens } from '../trainer/trainingGolden';
import { runCommand, startCommand } from './command';

jest.setTimeout(180_000);

const root = mkdtempSync(join(tmpdir(), 'dpo-train-'));
const model = join(root, 'model');
const pairs = join(root, 'pairs.jsonl');
beforeAll(() => {
  cpSync(join(goldenModels, 'gpt2'), model, { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(trainingGoldens, name), join(model, name));
  writeFileSync(pairs, goldenPairs.train.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const args = (output: string, ...more: string[]): string[] => [
  ...['--model', model, '--train', pairs, '--output', join(root, output), '--cache', join(root, 'cache')],
  ...['--batch-size', '4', '--device', 'cpu', ...more],
];
const metrics = (output: string): string => {
  const path = join(root, output, 'metrics.jsonl');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};
const stepsLogged = (output: string): number => metrics(output).split('\n').length - 1;

test('--preset says so and gives way to flags; config.json holds what came out', async () => {
  const { code, stdout, stderr } = await runCommand(
    'dpo-train',
    args('preset', '--preset', 'mgpt', '--max-steps', '1', '--save-every-steps', '0'),
  );
  expect([code, stderr.includes('error')]).toEqual([0, false]);
  expect(stdout).toContain('\npreset mgpt: the settings of arXiv 2406.16235');
  expect(JSON.parse(readFileSync(join(root, 'preset', 'config.json'), 'utf8'))).toMatchObject({
    ...{ model, preset: 'mgpt', learningRate: 1e-5, warmupSteps: 150, epochs: 5, maxSteps: 1, saveEverySteps: 0 },
  });
});

/** Starts a run and sends it a signal once so many steps are logged. */
async function signalled(output: string, steps: number, signal: NodeJS.Signals, ...more: string[]) {
  const { child, finished } = startCommand('dpo-train', args(output, ...more));
  while (stepsLogged(output) < steps && child.exitCode === null) await setTimeout(2);
  child.kill(signal);
  return finished;
}

test('--help names every option', async () => {
  const { code, stdout } = await runCommand('dpo-train', ['--help']);
  expect(code).toBe(0);
  for (const key of [...runConfigKeys, 'config']) expect(stdout).toContain(`--${flagName(key)} `);
});

const missing = join(root, 'missing');
test.each([
  [[], 'error: --model is missing; --train is missing; --output is missing\n'],
  [['--lerning-rate', '1'], 'error: unknown option --lerning-rate; did you mean --learning-rate? (see --help)\n'],
  [['pairs.jsonl'], 'error: unknown argument "pairs.jsonl" (see --help)\n'],
  [['--beta'], 'error: Not enough arguments following: beta (see --help)\n'],
  [
    ['--model', missing, '--train', pairs, '--output', join(root, 'x')],
    `error: cannot read model folder ${missing}: no such file or folder\n`,
  ],
])('%j ends with one line and exit code 1', async (given, message) => {
  const { code, stderr } = await runCommand('dpo-train', given);
  expect(stderr).toBe(message);
  expect(code).toBe(1);
  expect(existsSync(join(root, 'x'))).toBe(false);
});

test('an unknown architecture is refused with the known ones', async () => {
  const folder = join(root, 'unknown');
  cpSync(model, folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, model_type: 'gpt3' }));
  const { code, stderr } = await runCommand('dpo-train', args('unknown-out', '--model', folder));
  expect(code).toBe(1);
  expect(stderr).toContain('did you mean "gpt2"?');
  expect(stderr.trim().split('\n').length).toBe(1);
});

test('Ctrl-C ends a run at a step with a checkpoint, and --resume finishes it', async () => {
  const stopped = await signalled('interrupted', 3, 'SIGINT', '--max-steps', '5000');
  expect(stopped.code).toBe(130);
  const [, step] = /stopped after step (\d+) of 5000; go on with the same command and --resume/.exec(stopped.stderr)!;
  expect(readdirSync(join(root, 'interrupted', 'checkpoints'))).toEqual([`step-${step}`]);
  const goal = String(Number(step) + 2);
  const written = join(root, 'interrupted', 'config.json');
  const resumed = await runCommand('dpo-train', ['--config', written, '--max-steps', goal, '--resume']);
  expect([resumed.code, resumed.stderr.includes('error')]).toEqual([0, false]);
  expect(resumed.stdout).toContain(`going on after step ${step}`);
  expect(resumed.stdout).toContain(`model: ${join(root, 'interrupted', 'model')}`);
  expect(stepsLogged('interrupted')).toBe(Number(goal));
});

test('a run that was killed goes on from its last checkpoint and ends as if it had not been', async () => {
  const options = ['--max-steps', '60', '--save-every-steps', '4', '--keep-checkpoints', '2'];
  const through = await runCommand('dpo-train', args('through', ...options));
  expect(through.code).toBe(0);
  const killed = await signalled('killed', 9, 'SIGKILL', ...options);
  expect(killed.signal).toBe('SIGKILL');
  const resumed = await runCommand('dpo-train', args('killed', ...options, '--resume'));
  expect(resumed.code).toBe(0);
  expect(resumed.stdout).toMatch(/going on after step (8|12|16|20|24)\n/);
  expect(metrics('killed')).toBe(metrics('through'));
  const weights = (output: string): Buffer => readFileSync(join(root, output, 'model', 'model.safetensors'));
  expect(weights('killed')).toEqual(weights('through'));
});

test('a finished run is not overwritten by the same command', async () => {
  const before = metrics('through');
  const { code, stderr } = await runCommand('dpo-train', args('through'));
  expect(code).toBe(1);
  expect(stderr).toContain('--resume goes on with it, --overwrite deletes it');
  expect(metrics('through')).toBe(before);
});

test('pairs held back, the best model kept and the run ended early: lines say so', async () => {
  const { code, stdout, stderr } = await runCommand('dpo-train', [
    ...args(
      'early',
      '--eval-fraction',
      '0.3',
      '--max-steps',
      '400',
      '--eval-every-steps',
      '2',
      '--save-every-steps',
      '0',
      '--learning-rate',
      '1e-3',
    ),
    ...['--load-best-model-at-end', '--metric-for-best-model', 'rewards/margins', '--greater-is-better', 'false'],
    ...['--early-stopping-patience', '2', '--early-stopping-threshold', '0.05'],
  ]);
  expect([code, stderr.includes('error')]).toEqual([0, false]);
  expect(stdout).toMatch(/12 pairs to train on from .*, 6 held back to evaluate on\n/);
  expect(stderr).toMatch(/training \d+\/400, .*, eval loss [\d.]+, /);
  const [, step] =
    /stopped early after step (\d+) of 400: 2 evaluations in a row without a lower eval_rewards\/margins by more than 0.05/.exec(stdout)!;
  expect(stdout).toMatch(
    /the model has the weights of step \d+, whose eval_rewards\/margins of -?[\d.]+ is the lowest of \d+ evaluations\n/,
  );
  expect(stdout).toContain(`model: ${join(root, 'early', 'model')}`);
  expect(metrics('early').trim().split('\n').at(-1)).toContain(`"step":${step},"eval_loss"`);
});
