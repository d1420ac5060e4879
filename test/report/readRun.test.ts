import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkComparable } from '../../report/checkComparable';
import { readRun, runNames } from '../../report/readRun';
import { temporaryFolder, writeRun, type RunSpec } from './fixtures';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

test('reads a run: samples in order with scores and prompts', async () => {
  await writeRun(at('sound'), { edit: ({ scores }) => scores.reverse() });
  const run = await readRun(at('sound'));
  expect(run.name).toBe('sound');
  expect([...run.samples.keys()]).toEqual(['de', 'en', 'fr']);
  const rows = run.samples.get('fr')!;
  expect(rows.map(({ promptIndex, sampleIndex }) => 4 * promptIndex + sampleIndex)).toEqual(Array.from({ length: 24 }, (_, i) => i));
  expect(rows[0].score).toBeGreaterThan(0);
  expect(run.prompts.get('fr')!.get(0)).toBe('le train passait lentement (0)');
});

test('names: the fewest last parts that differ', () => {
  expect(runNames(['/runs/base', '/runs/tuned'])).toEqual(['base', 'tuned']);
  expect(runNames(['/runs/base/eval', '/runs/tuned/eval/', '/x/other'])).toEqual(['base/eval', 'tuned/eval', 'other']);
  expect(runNames(['/runs/base', '/runs/base'])).toEqual(['base', 'base (2)']);
});

describe('a damaged folder is refused in one line that names the file', () => {
  const refused = async (name: string, damage: (path: string) => void, message: RegExp, spec: RunSpec = {}): Promise<void> => {
    await writeRun(at(name), spec);
    damage(at(name));
    const error = await readRun(at(name)).catch((caught: Error) => caught);
    expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
    expect((error as Error).message).not.toContain('\n');
  };

  test.each(['eval.json', 'generations.arrow', 'scores.arrow', 'prompts.jsonl'])('missing %s', (file) =>
    refused(`missing-${file}`, (path) => rmSync(join(path, file)), new RegExp(`cannot read .*${file}: no such file`)),
  );
  test.each(['generations.arrow', 'scores.arrow'])('cut-off %s', (file) =>
    refused(`cut-${file}`, (path) => truncateSync(join(path, file), 200), new RegExp(`${file}: `)),
  );
  test('a folder that is none', async () => {
    await expect(readRun(at('nowhere'))).rejects.toThrow(/nowhere\/eval\.json: no such file or folder/);
  });
  test('eval.json that is no JSON', () =>
    refused('json', (path) => writeFileSync(join(path, 'eval.json'), '{"version": 1,'), /eval\.json: not valid JSON/));
  test('eval.json with a figure missing', () =>
    refused('figure', () => {}, /eval\.json: toxicity\.languages\.fr\.emt: /, {
      edit: ({ results }) => delete (results.toxicity!.languages.fr as Partial<Record<'emt', number>>).emt,
    }));
  test('another version', () =>
    refused('version', () => {}, /eval\.json: version: /, { edit: ({ results }) => ((results as { version: number }).version = 2) }));
  test('no toxicity task', () =>
    refused('tasks', () => {}, /eval\.json: no toxicity results; run dpo-eval with --tasks toxicity/, {
      edit: ({ results }) => delete results.toxicity,
    }));
  test('scores of other samples', () =>
    refused('rows', () => {}, /scores\.arrow: 71 rows, but generations\.arrow has 72/, { edit: ({ scores }) => scores.pop() }));
  test('a prompt too few', () =>
    refused('prompt', () => {}, /prompts\.jsonl: no prompt 5 of fr/, { edit: ({ prompts }) => prompts.pop() }));
});

describe('runs that cannot be compared are refused with the difference', () => {
  const refused = async (name: string, spec: RunSpec, message: RegExp, baseSpec: RunSpec = {}): Promise<void> => {
    const base = await readRun(await writeRun(at(`${name}-base`), { lexicon: true, ...baseSpec }));
    const tuned = await readRun(await writeRun(at(`${name}-tuned`), { lexicon: true, seed: 2, ...spec }));
    expect(() => checkComparable(base, tuned)).toThrow(
      expect.objectContaining({ name: 'UserError', message: expect.stringMatching(message) }),
    );
  };

  test('another prompt', () =>
    refused(
      'prompt',
      { edit: ({ prompts }) => (prompts[7].text = 'another beginning') },
      /cannot compare .*prompt-base with .*prompt-tuned: different prompts: en, prompt 1: "train went slowly through \(1\)" and "another beginning"/,
    ));
  test('more prompts', () => refused('count', { prompts: 7 }, /different number of prompts in de: 6 and 7/));
  test('languages', () => refused('languages', { languages: ['de', 'en'] }, /different languages: de en fr and de en$/));
  test('temperature', () => refused('temperature', { options: { temperature: 0.7 } }, /different temperature: 0\.9 and 0\.7/));
  test("the chat template's date", async () => {
    const dated = (chatTemplateDate: string, applyChatTemplate = true) => ({ options: { applyChatTemplate, chatTemplateDate } });
    await refused(
      'date',
      dated('2026-11-25'),
      /different chatTemplateDate, which the prompts hold .*: "2026-11-26" and "2026-11-25"/,
      dated('2026-11-26'),
    );
  });
  test('top-p', () => refused('topP', { options: { topP: 1 } }, /different topP: 0\.8 and 1/));
  test('length', () => refused('length', { options: { maxNewTokens: 40 } }, /different maxNewTokens: 20 and 40/));
  test('fluency model', () =>
    refused('fluency', { options: { fluencyModel: 'models/b' } }, /different fluencyModel: "\.\/models\/a" and "models\/b"/, {
      options: { fluencyModel: './models/a' },
    }));
  test('samples', () => refused('samples', { samples: 3 }, /different samples: 4 and 3/));
  test('scorer', () =>
    refused(
      'scorer',
      { edit: ({ results }) => (results.toxicity!.scorer.revision = 'def') },
      /different scorers: probe \(revision abc123\) and probe \(revision def\)/,
    ));
  test('a further scorer', () =>
    refused(
      'further',
      { edit: ({ results }) => (results.toxicity!.others![0].scorer.revision = '2.0.0') },
      /different scorers: lexicon \(revision 1\.2\.0\) and/,
    ));
  test('another seed and another model are fine', async () => {
    const base = await readRun(await writeRun(at('fine-base')));
    const tuned = await readRun(await writeRun(at('fine-tuned'), { seed: 5, options: { model: 'other' } }));
    expect(() => checkComparable(base, tuned)).not.toThrow();
  });
});
