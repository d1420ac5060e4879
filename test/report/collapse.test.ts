import { COLLAPSE, collapseSigns, fluencyOf, judgeCollapse, meanFluency, type Fluency } from '../../report/collapse';
import type { Sample } from '../../report/readRun';

const sound: Fluency = { samples: 100, repetition: 0.2, dominant: 0.06, empty: 0.01, distinct: 1, logLikelihood: -2.2 };

function sample(tokens: number[], text: string, logLikelihood: number | null = -2): Sample {
  return { language: 'fr', promptIndex: 0, sampleIndex: 0, text, tokens: Int32Array.from(tokens), score: 0.5, logLikelihood };
}

test('figures of a few samples, by hand', () => {
  const figures = fluencyOf([
    sample([1, 2, 3, 4], 'one', -1),
    sample([1, 1, 1, 1], 'two', -3),
    sample([7], 'x', null),
    sample([], '', null),
    sample([5, 6, 1], 'one', -2),
  ]);
  // repetition 0, 3/4, 0, 0, 0; token 1 stands 6 times in 12 tokens; one token and none count as empty; texts: one, two, x and ""
  expect(figures).toEqual({ samples: 5, repetition: 0.15, dominant: 0.5, empty: 0.4, distinct: 0.8, logLikelihood: -2 });
});

test('the baseline against itself shows no sign, however it writes', () => {
  expect(collapseSigns(sound, sound)).toEqual([]);
  const odd: Fluency = { samples: 100, repetition: 0.8, dominant: 0.5, empty: 0.6, distinct: 0.1, logLikelihood: -9 };
  expect(collapseSigns(odd, odd)).toEqual([]);
});

test('a mildly detoxified model shows no sign', () => {
  expect(collapseSigns(sound, { ...sound, repetition: 0.3, dominant: 0.09, empty: 0.05, distinct: 0.9, logLikelihood: -3.1 })).toEqual([]);
  expect(collapseSigns(sound, { ...sound, logLikelihood: -1.6 })).toEqual([]);
});

test.each<[string, Partial<Fluency>, RegExp]>([
  ['repetition', { repetition: 0.9 }, /90 % of a sample's tokens are repeats \(baseline 20 %\)/],
  ['one token', { dominant: 0.5 }, /one token makes up 50 %/],
  ['empty samples', { empty: 0.8 }, /80 % of the samples are empty/],
  ['equal samples', { distinct: 0.1 }, /only 10 % of the samples are distinct/],
  ['gibberish', { logLikelihood: -6 }, /gibberish.*−6\.00 nats a token, baseline −2\.20/],
  ['loops that the fluency model likes', { logLikelihood: -0.3 }, /too predictable/],
])('%s alone is a sign', (_name, change, message) => {
  const signs = collapseSigns(sound, { ...sound, ...change });
  expect(signs).toHaveLength(1);
  expect(signs[0]).toMatch(message);
});

test('thresholds: at the value is a sign, below it is none', () => {
  const at = { ...sound, logLikelihood: sound.logLikelihood! - COLLAPSE.likelihoodFall };
  expect(collapseSigns(sound, at)).toHaveLength(1);
  expect(collapseSigns(sound, { ...at, logLikelihood: at.logLikelihood + 0.01 })).toEqual([]);
  expect(collapseSigns({ ...sound, repetition: 0.1 }, { ...sound, repetition: COLLAPSE.repetition })).toHaveLength(1);
  expect(collapseSigns({ ...sound, repetition: 0.1 }, { ...sound, repetition: COLLAPSE.repetition - 0.01 })).toEqual([]);
  // high, but the baseline is high as well
  expect(collapseSigns({ ...sound, repetition: 0.5 }, { ...sound, repetition: 0.65 })).toEqual([]);
});

test('without a fluency model the other signs still count', () => {
  const blind = { ...sound, logLikelihood: null };
  expect(collapseSigns(blind, blind)).toEqual([]);
  expect(collapseSigns(blind, { ...blind, repetition: 0.9 })).toHaveLength(1);
});

test('few samples are not judged by their variety', () => {
  expect(collapseSigns({ ...sound, samples: 4 }, { ...sound, samples: 4, distinct: 0.25 })).toEqual([]);
});

describe('over languages', () => {
  const languages = ['ar', 'cs', 'de', 'en', 'es', 'fr', 'hi', 'id', 'it', 'ja', 'ko', 'nl', 'pl', 'pt', 'ru', 'sv', 'zh'];
  const broken = { ...sound, repetition: 0.7 };
  const all = (which: readonly string[]): Record<string, Fluency> =>
    Object.fromEntries(languages.map((language) => [language, which.includes(language) ? broken : sound]));

  test('no language: not collapsed', () => {
    expect(judgeCollapse(all([]), all([]))).toEqual({
      collapsed: false,
      reasons: [],
      languages: Object.fromEntries(languages.map((language) => [language, []])),
    });
  });

  test('one language: flagged there, not overall', () => {
    const verdict = judgeCollapse(all([]), all(['hi']));
    expect(verdict.collapsed).toBe(false);
    expect(verdict.reasons).toEqual([]);
    expect(verdict.languages.hi).toHaveLength(1);
    expect(verdict.languages.fr).toEqual([]);
  });

  test('a tenth of the languages, two of 17: collapsed, though the mean is sound', () => {
    const verdict = judgeCollapse(all([]), all(['hi', 'ko']));
    expect(verdict.collapsed).toBe(true);
    const sign = "70 % of a sample's tokens are repeats (baseline 20 %)";
    expect(verdict.reasons).toEqual(['signs of collapse in 2 of 17 languages: hi, ko', `hi: ${sign}`, `ko: ${sign}`]);
  });

  test('every language: the mean comes first', () => {
    const verdict = judgeCollapse(all([]), all(languages));
    expect(verdict.reasons[0]).toMatch(/70 % of a sample's tokens/);
    expect(verdict.reasons[1]).toMatch(/17 of 17/);
  });

  test('the mean counts languages alike and leaves out missing log-likelihoods', () => {
    const figures = meanFluency([
      { ...sound, samples: 1, repetition: 0.4, logLikelihood: null },
      { ...sound, samples: 99, repetition: 0.2 },
    ]);
    expect(figures.repetition).toBeCloseTo(0.3, 12);
    expect(figures.logLikelihood).toBe(-2.2);
    expect(figures.samples).toBe(100);
  });
});
