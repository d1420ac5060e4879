import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeReport } from '../../report/writeReport';
import { temporaryFolder, writeRun } from './fixtures';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const read = (name: string, file: string): string => readFileSync(join(at(name), file), 'utf8');
const precision: Readonly<Record<string, number>> = { ar: 0.5, de: 0.7, fr: 0.8, ja: 0.4 };
const common = { languages: ['ar', 'de', 'en', 'fr', 'ja'], lexicon: true, retrieval: (language: string) => precision[language] };

beforeAll(async () => {
  await writeRun(at('base'), common);
  await writeRun(at('mild'), { ...common, behaviour: 'milder', seed: 2, options: { note: 'a|b' } });
  await writeRun(at('loop'), {
    ...common,
    behaviour: 'loop',
    seed: 3,
    edit: ({ generations, results }) => {
      generations[0].text = '<script>alert("1")</script> & \u0007 </p>';
      results.model.name = '<img src=x onerror=alert(2)>';
      results.options = { ...results.options, note: '"><script>alert(3)</script>' };
    },
  });
  await writeReport(at('base'), [at('mild'), at('loop')], { output: at('report'), overwrite: false });
});
afterAll(() => rmSync(folder, { recursive: true }));

test('three files and nothing else; report.json holds what is returned', async () => {
  expect(readdirSync(at('report')).sort()).toEqual(['report.html', 'report.json', 'report.md']);
  const comparison = JSON.parse(read('report', 'report.json'));
  expect(comparison.version).toBe(1);
  expect(comparison.runs.map((run: { name: string; collapsed: boolean }) => [run.name, run.collapsed])).toEqual([
    ['mild', false],
    ['loop', true],
  ]);
});

test('the same inputs give the same bytes, also later in one process', async () => {
  await writeReport(at('base'), [at('mild'), at('loop')], { output: at('again'), overwrite: false });
  for (const file of ['report.json', 'report.md', 'report.html']) expect(read('again', file)).toBe(read('report', file));
});

test('a report that is there stays, unless --overwrite', async () => {
  await expect(writeReport(at('base'), [at('mild')], { output: at('report'), overwrite: false })).rejects.toThrow(
    /report\.json exists; give another --output, or --overwrite/,
  );
  expect(JSON.parse(read('report', 'report.json')).runs).toHaveLength(2);
  await writeReport(at('base'), [at('mild')], { output: at('again'), overwrite: true });
  expect(JSON.parse(read('again', 'report.json')).runs).toHaveLength(1);
});

test('refused runs leave nothing behind', async () => {
  await writeRun(at('hot'), { ...common, options: { temperature: 2 } });
  await expect(writeReport(at('base'), [at('hot')], { output: at('refused'), overwrite: false })).rejects.toThrow(/different temperature/);
  expect(readdirSync(folder)).not.toContain('refused');
});

describe('report.html', () => {
  let page = '';
  beforeAll(() => (page = read('report', 'report.html')));

  test('escapes what models, options and generations say', () => {
    expect(page).not.toMatch(/<script/i);
    expect(page).not.toMatch(/<img/i);
    expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; \ufffd &lt;/p&gt;');
    expect(page).toContain('&quot;&gt;&lt;script&gt;alert(3)');
  });

  test('fetches nothing', () => {
    expect(page).not.toMatch(/\b(src|href)="(?!#)/);
    expect(page).not.toMatch(/url\(|@import/);
    expect(page.match(/https?:\/\/[^"]+/g)!.every((address) => address === 'http://www.w3.org/2000/svg')).toBe(true);
    expect(page).toContain("default-src 'none'");
  });

  test('shows the collapsed run with its reasons, and no flag on the sound one', () => {
    expect(page.match(/class="banner collapsed"/g)).toHaveLength(1);
    expect(page).toMatch(/95 % of a sample&#39;s tokens are repeats/);
    expect(page).toContain('No sign of collapse.');
  });

  test('hides continuations behind a warning and gives each its language and direction', () => {
    expect(page).toMatch(/<details>\s*<summary>⚠ Show the continuations: they may be offensive/);
    expect(page).not.toContain('<details open');
    // white space around the text would show
    expect(page.match(/<p dir="auto" lang="ar">[^\s<][^<]*[^\s<]<\/p>/g)).toHaveLength(15);
  });

  test('draws a chart a run and width, with colours that follow light and dark, and no names of its own', () => {
    expect(page.match(/<svg /g)).toHaveLength(12);
    expect(page).toContain('fill="var(--after)"');
    expect(page).not.toMatch(/zr\d|#0[1-6]0[1-6]0[1-6]/);
    expect(page).not.toContain('NaN');
  });

  test('every element that is opened is closed', () => {
    const open: string[] = [];
    for (const [, slash, name, end] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^<>]*?(\/?)>/gi)) {
      if (end || ['meta', 'br'].includes(name)) continue;
      if (!slash) open.push(name);
      else expect(open.pop()).toBe(name);
    }
    expect(open).toEqual([]);
  });
});

describe('report.md', () => {
  test('tables whose rows have as many cells as their heads; no continuations; escaped bars', () => {
    const text = read('report', 'report.md');
    const tables = text.split('\n\n').filter((part) => part.startsWith('|'));
    expect(tables).toHaveLength(3);
    for (const table of tables) {
      const widths = table.split('\n').map((line) => line.replace(/\\\|/g, '').split('|').length);
      expect(new Set(widths).size).toBe(1);
    }
    expect(text).toContain('a\\|b');
    expect(text).not.toMatch(/<script|<img|alert\("1"\)/);
    expect(text).toContain('**⚠ Collapsed.**');
    expect(text).toMatch(/Pearson r = /);
  });
});
