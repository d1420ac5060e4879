import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { compareRuns, type Comparison } from '../../report/comparison';
import { readRun } from '../../report/readRun';
import { temporaryFolder, writeRun, type Behaviour, type RunSpec } from './fixtures';

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));

async function compare(name: string, base: RunSpec, tuned: RunSpec): Promise<Comparison> {
  const before = await readRun(await writeRun(join(folder, `${name}-base`), base));
  const after = await readRun(await writeRun(join(folder, `${name}-tuned`), { seed: 2, ...tuned }));
  return compareRuns(before, [after]);
}

test('figures of two tiny runs, by hand', async () => {
  const scores = (values: number[]): RunSpec => ({
    languages: ['fr'],
    prompts: 2,
    samples: 2,
    edit: (run) => run.scores.forEach((row, i) => Object.assign(row, { score: values[i], logLikelihood: -i })),
  });
  // the fixture's own eval.json is made before the edit: take the scores' figures from there by writing them too
  const withFigures = (values: number[], emt: number, probability: number, average: number): RunSpec => ({
    ...scores(values),
    edit: (run) => {
      scores(values).edit!(run);
      const figures = { emt, toxicityProbability: probability, averageToxicity: average };
      Object.assign(run.results.toxicity!.languages.fr, figures);
      Object.assign(run.results.toxicity!.mean!, figures);
    },
  });
  const { runs, version, baseline } = await compare(
    'hand',
    withFigures([0.9, 0.1, 0.3, 0.7], 0.8, 1, 0.5),
    withFigures([0.2, 0.6, 0.1, 0.1], 0.35, 0.5, 0.25),
  );
  expect({ version, baseline: baseline.name }).toEqual({ version: 1, baseline: 'hand-base' });
  const { fr } = runs[0].languages;
  expect(fr.emt).toEqual({ before: 0.8, after: 0.35 });
  expect(fr.toxicityProbability).toEqual({ before: 1, after: 0.5 });
  expect(fr.averageToxicity).toEqual({ before: 0.5, after: 0.25 });
  expect(fr.logLikelihood).toEqual({ before: -1.5, after: -1.5 });
  // the prompts' maxima fall by .9 - .6 and .7 - .1
  expect(fr.emtDropInterval![0]).toBeCloseTo(0.3, 9);
  expect(fr.emtDropInterval![1]).toBeCloseTo(0.6, 9);
  expect(runs[0].mean.emt).toEqual({ before: 0.8, after: 0.35 });
  expect(runs[0].correlation).toBeNull();
});

test.each<[Behaviour, boolean]>([
  ['plain', false],
  ['milder', false],
  ['loop', true],
  ['gibberish', true],
  ['empty', true],
  ['same', true],
])('%s text: collapsed is %s', async (behaviour, collapsed) => {
  const { runs } = await compare(behaviour, {}, { behaviour });
  expect(runs[0].collapsed).toBe(collapsed);
  expect(runs[0].reasons.length > 0).toBe(collapsed);
  // the trap: the broken model looks less toxic
  if (collapsed) expect(runs[0].mean.emt.after).toBeLessThan(runs[0].mean.emt.before! / 2);
});

test('a loop is seen without a fluency model as well', async () => {
  const { runs } = await compare('blind', { fluency: false }, { fluency: false, behaviour: 'loop' });
  expect(runs[0].collapsed).toBe(true);
  expect(runs[0].mean.logLikelihood).toEqual({ before: null, after: null });
});

test('an unscored language has no toxicity, but fluency; the mean leaves it out', async () => {
  const { runs, unscored } = await compare('unscored', { unscored: ['de'] }, { unscored: ['de'], behaviour: 'milder' });
  expect(unscored).toEqual(['de']);
  const { de, en, fr } = runs[0].languages;
  expect(de.emt).toEqual({ before: null, after: null });
  expect(de.emtDropInterval).toBeNull();
  expect(de.repetition.after).toBeGreaterThan(0);
  expect(runs[0].mean.emt.before).toBeCloseTo((en.emt.before! + fr.emt.before!) / 2, 12);
  expect(runs[0].mean.repetition.after).toBeCloseTo((en.repetition.after! + fr.repetition.after!) / 2, 12);
});

test('further scorers that both runs have', async () => {
  const both = await compare('both', { lexicon: true }, { lexicon: true, behaviour: 'milder' });
  const { before, after } = both.runs[0].mean.others.lexicon.toxicityProbability;
  expect(before).toBeGreaterThan(0);
  expect(after).toBe(0);
  const one = await compare('one', { lexicon: true }, {});
  expect(one.runs[0].mean.others).toEqual({});
});

describe('retrieval against the drop', () => {
  const precision: Readonly<Record<string, number>> = { ko: 0.3, ja: 0.45, hi: 0.55, ar: 0.6, de: 0.7, fr: 0.85 };
  const languages = ['en', ...Object.keys(precision)];
  const retrieval = (language: string): number => precision[language];

  test('drops that follow retrieval correlate with it; English is left out', async () => {
    const { runs, retrieval: figures } = await compare(
      'follow',
      { languages, retrieval, prompts: 12 },
      { languages, prompts: 12, scale: (language) => (language === 'en' ? 5 : 1 - precision[language]) },
    );
    expect(figures.fr).toEqual({ mean: 0.75 * 0.85, best: 0.85, bestLayer: 1 });
    expect(runs[0].correlation!.n).toBe(6);
    expect(runs[0].correlation!.pearson).toBeGreaterThan(0.85);
    expect(runs[0].correlation!.p).toBeLessThan(0.05);
    // here the mean over layers is a multiple of the best layer's
    expect(runs[0].correlation!.bestLayer!.pearson).toBeCloseTo(runs[0].correlation!.pearson, 9);
  });

  test('null with fewer than 3 languages or without retrieval', async () => {
    const few = await compare('few', { languages: ['en', 'de', 'fr'], retrieval }, {});
    expect(few.runs[0].correlation).toBeNull();
    const none = await compare('none', { languages }, { languages });
    expect(none.runs[0].correlation).toBeNull();
  });
});
