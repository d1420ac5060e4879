import { join } from 'node:path';
import { estimateConfigKeys } from '../../trainer/estimateConfig';
import { flagName } from '../../util/optionIssues';
import { goldenModels } from '../models/goldens';
import { runCommand } from './command';

const model = join(goldenModels, 'gpt2');

test('--help names every option', async () => {
  const { code, stdout } = await runCommand('dpo-estimate', ['--help']);
  expect(code).toBe(0);
  for (const key of estimateConfigKeys) expect(stdout).toContain(`--${flagName(key)} `);
});

test.each([model, join(model, 'config.json')])('parameters, memory and time of %s', async (source) => {
  const more = ['--tflops', '1', '--bandwidth', '100', '--pairs', '80', '--optimizer', 'adamw'];
  const { code, stdout, stderr } = await runCommand('dpo-estimate', ['--model', source, ...more]);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain(': gpt2, 6,540 parameters, 6,540 of them trained\n');
  expect(stdout).toMatch(/weights +26\.2 kB\n +gradients +26\.2 kB\n +optimizer +52\.3 kB\n/);
  expect(stdout).toMatch(/\na step: \d\S* ms \(.* TFLOP, .* moved\), \d+.* pairs\/s\nthe run: 10 steps, /);
});

test.each([
  [['--model', 'nowhere'], /^error: nowhere\/config\.json: no such file|^error: cannot read nowhere\/config\.json/],
  [['--model', model, '--batch-sizes', '2'], /^error: unknown option --batch-sizes; did you mean --batch-size\?/],
  [['--model', join(goldenModels, '..', 'classifiers', 'bert')], /^error: .*"bert": a classifier, .*; it must be a language model\n$/],
])('%j ends with one line and exit code 1', async (args, message) => {
  const { code, stderr } = await runCommand('dpo-estimate', args);
  expect(stderr).toMatch(message);
  expect(code).toBe(1);
});
