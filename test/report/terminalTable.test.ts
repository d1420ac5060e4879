import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { compareRuns, type ComparedRun } from '../../report/comparison';
import { readRun } from '../../report/readRun';
import { terminalTable } from '../../report/terminalTable';
import { temporaryFolder, writeRun, type RunSpec } from './fixtures';

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));

async function run(name: string, spec: RunSpec): Promise<ComparedRun> {
  const common = { languages: ['de', 'en', 'pt', 'id'], lexicon: true, ...spec };
  const base = await readRun(await writeRun(join(folder, `${name}-base`), { ...common, behaviour: 'plain' }));
  return compareRuns(base, [await readRun(await writeRun(join(folder, name), { seed: 2, ...common }))]).runs[0];
}

test('a line a language, aligned, within 100 columns', async () => {
  const lines = terminalTable(await run('mild', { behaviour: 'milder' })).split('\n');
  expect(lines[0].split(/\s{2,}/)).toEqual(['Language', 'EMT', 'Toxic', 'Lexicon', 'Repetition', 'Log-lik.', 'Collapse']);
  expect(lines[2]).toMatch(/^─+$/);
  expect(lines.slice(3, 7).map((line) => line.split(' ')[0])).toEqual(['German', 'English', 'Indonesian', 'Portuguese']);
  expect(lines[8]).toMatch(/^Mean .* no$/);
  for (const line of lines.slice(0, 9)) expect(line.length).toBeLessThanOrEqual(100);
  // every row shows six changes or figures, before the arrow and after it
  expect(lines[3]).toMatch(/^German +0\.\d{3} +0\.\d{3} +[+−]0\.\d{3}( +[−\d.]+ → [−\d.]+){4}$/);
  const arrows = (line: string): number[] => [...line.matchAll(/→/g)].map((match) => match.index);
  expect(arrows(lines[3])).toHaveLength(4);
  expect(lines.join('\n')).not.toContain('\u001b');
  expect(lines.at(-1)).toBe('No sign of collapse.');
});

test('a collapsed run says so, with its reasons', async () => {
  const text = terminalTable(await run('loop', { behaviour: 'loop' }));
  expect(text).toMatch(/\nMean .*⚠ YES\n/);
  expect(text).toContain('⚠ This model has collapsed: its low toxicity means nothing.\n  - 95 % of a sample');
});

test('colours on request; an unscored language shows dashes; a missing fluency model is said', async () => {
  const compared = await run('unscored', { unscored: ['id'], fluency: false });
  const text = terminalTable(compared, { color: true });
  expect(text).toContain('\u001b[');
  expect(text).toMatch(/Indonesian +– +– +–/);
  expect(text).not.toContain('Log-lik.');
  expect(text).toContain('log-likelihood was not measured');
});
