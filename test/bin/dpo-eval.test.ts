import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readGenerations } from '../../eval/arrowFiles';
import { evalConfigKeys } from '../../eval/evalConfig';
import { flagName } from '../../util/optionIssues';
import { goldenModels } from '../models/goldens';
import { goldenPairs, trainingGoldens } from '../trainer/trainingGolden';
import { runCommand, startCommand } from './command';

jest.setTimeout(180_000);

const root = mkdtempSync(join(tmpdir(), 'dpo-eval-'));
const at = (...names: string[]): string => join(root, ...names);
beforeAll(() => {
  cpSync(join(goldenModels, 'gpt2'), at('model'), { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) cpSync(join(trainingGoldens, name), at('model', name));
  writeFileSync(at('prompts.jsonl'), ['en', 'fr'].map((language) => `${JSON.stringify({ language, prompt: 'w2 w3' })}\n`).join(''));
  writeFileSync(at('pairs.jsonl'), goldenPairs.evaluation.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const args = (output: string, ...more: string[]): string[] => [
  ...['--model', at('model'), '--output', at(output), '--cache', at('cache'), '--prompts', at('prompts.jsonl')],
  ...['--device', 'cpu', '--max-new-tokens', '8', ...more],
];

test('--help names every option', async () => {
  const { code, stdout } = await runCommand('dpo-eval', ['--help']);
  expect(code).toBe(0);
  for (const key of evalConfigKeys) expect(stdout).toContain(`--${flagName(key)} `);
});

test.each([
  [[], 'error: --model is missing; --output is missing\n'],
  [['--sample', '1'], 'error: unknown option --sample; did you mean --samples? (see --help)\n'],
  [['--model', 'm', '--output', 'o', '--prompts', 'p', '--samples', '0'], 'error: --samples is 0: must be at least 1\n'],
])('%j ends with one line and exit code 1', async (given, message) => {
  const { code, stderr } = await runCommand('dpo-eval', given);
  expect(stderr).toBe(message);
  expect(code).toBe(1);
});

test('prints a table by language and the figures of the pairs', async () => {
  const { code, stdout, stderr } = await runCommand('dpo-eval', args('table', '--samples', '3', '--pairs', at('pairs.jsonl')));
  expect([code, stderr.includes('error')]).toEqual([0, false]);
  expect(stdout).toMatch(/language +EMT +ToxProb +AvgTox +repetition +log-lik\.\n[─ ]+\nen +[01]\.000 .*\nfr +[01]\.000 .*\nmean +/);
  expect(stdout).toMatch(/preference: log-probabilities of \d+ pairs \(accuracy, margin and loss need --reference\)/);
  expect(stdout).toContain(`results: ${at('table')}/eval.json`);
  const again = await runCommand('dpo-eval', args('table', '--samples', '3'));
  expect(again.stderr).toMatch(
    /^error: .* already holds an evaluation \(config\.json\): --resume goes on with it, --overwrite deletes it\n$/,
  );
  expect(again.code).toBe(1);
});

test('Ctrl-C keeps the finished batches, and --resume finishes', async () => {
  const more = ['--samples', '2000', '--batch-size', '16'];
  const { child, finished } = startCommand('dpo-eval', args('stopped', ...more));
  while (!existsSync(at('stopped', 'parts', '2.arrow')) && child.exitCode === null) await setTimeout(2);
  child.kill('SIGINT');
  const stopped = await finished;
  expect(stopped.code).toBe(130);
  expect(stopped.stderr).toContain('go on with the same command and --resume');
  expect(existsSync(at('stopped', 'eval.json'))).toBe(false);
  const kept = await readGenerations(at('stopped', 'parts', '0.arrow'));
  const resumed = await runCommand('dpo-eval', args('stopped', '--samples', '2000', '--batch-size', '500', '--resume'));
  expect(resumed.code).toBe(0);
  const all = await readGenerations(at('stopped', 'generations.arrow'));
  expect(all).toHaveLength(4000);
  for (const row of kept) expect(all).toContainEqual(row);
  expect(JSON.parse(readFileSync(at('stopped', 'eval.json'), 'utf8'))).toMatchObject({ options: { batchSize: 500 } });
});
