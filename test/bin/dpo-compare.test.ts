import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder, writeRun } from '../report/fixtures';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

function compare(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const files = ['-r', join(__dirname, 'swcHook.js'), join(__dirname, '../../bin/dpo-compare.ts')];
  return spawnSync(process.execPath, [...files, ...args], { cwd: folder, encoding: 'utf8' });
}

beforeAll(async () => {
  await writeRun(at('base'));
  await writeRun(at('tuned'), { behaviour: 'milder', seed: 2 });
  await writeRun(at('007'), { behaviour: 'loop', seed: 3 });
});

test('compares, prints a table a run and where the report is', () => {
  const { status, stdout, stderr } = compare('base', 'tuned', '007', '--output', 'report');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain('\ntuned against base\n');
  expect(stdout).toMatch(/\nGerman +0\.\d{3} /);
  expect(stdout).toContain('\n007 against base\n');
  expect(stdout).toContain('⚠ This model has collapsed');
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('Report: report/report.html');
  expect(stdout).not.toContain('\u001b');
  expect(readFileSync(at('report/report.html'), 'utf8')).toContain('</html>');
});

test.each<[string, string[], RegExp]>([
  [
    'one folder alone',
    ['base', '--output', 'x'],
    /^error: expected the base's and at least one tuned model's output folder of dpo-eval; got 1/,
  ],
  ['no output', ['base', 'tuned'], /^error: Missing required argument: output/],
  ['a misspelt flag', ['base', 'tuned', '--outptu', 'x', '--output', 'x'], /^error: unknown option --outptu; did you mean --output\?/],
  ['two outputs', ['base', 'tuned', '--output', 'x', '--output', 'y'], /^error: --output: given more than once/],
  ['a missing folder', ['base', 'tunde', '--output', 'x'], /^error: cannot read tunde\/eval\.json: no such file or folder/],
])('%s: one line, exit code 1, nothing written', (_name, args, message) => {
  const { status, stdout, stderr } = compare(...args);
  expect(status).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toMatch(message);
  expect(stderr.trimEnd()).not.toContain('\n');
  expect(existsSync(at('x'))).toBe(false);
});
