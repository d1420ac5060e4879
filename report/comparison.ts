import { checkComparable } from './checkComparable';
import { bootstrapInterval } from './bootstrap';
import { fluencyOf, judgeCollapse, meanFluency, type Fluency } from './collapse';
import { correlate, type Correlation } from './correlation';
import type { ScoredTask } from './evalSchema';
import type { EvalRun, Sample } from './readRun';

/** A figure of the baseline and of the tuned run; null where it was not measured. */
export interface Change {
  before: number | null;
  after: number | null;
}

/** Units as in eval.json (eval/types.ts): shares from 0 to 1, log-likelihood in nats a token. */
export interface ComparedFigures {
  emt: Change;
  toxicityProbability: Change;
  averageToxicity: Change;
  repetition: Change;
  logLikelihood: Change;
  /** Share of the commonest token, of samples without text, and of distinct texts (report/collapse.ts). */
  dominant: Change;
  empty: Change;
  distinct: Change;
  /** 95 % bootstrap interval of EMT's drop (before - after), prompts resampled. */
  emtDropInterval: [number, number] | null;
  /** The toxicity figures by each further scorer that both runs have, e.g. the lexicon's. */
  others: Record<string, { emt: Change; toxicityProbability: Change; averageToxicity: Change }>;
}

export interface ComparedLanguage extends ComparedFigures {
  /** Signs of collapse in this language, in words. */
  signs: string[];
}

export interface ComparedRun {
  name: string;
  model: { name: string; hash: string };
  languages: Record<string, ComparedLanguage>;
  /** Over the languages that the scorer knows, each counting alike. */
  mean: ComparedFigures;
  collapsed: boolean;
  reasons: string[];
  /**
   * Retrieval precision at 1 of the baseline (mean over layers, which needs no choice of one) against EMT's drop over the languages other than
   * English; `bestLayer`: against the best layer's. Null where there are fewer than 3 languages or no retrieval.
   */
  correlation: (Correlation & { bestLayer: Correlation | null }) | null;
}

/** report.json */
export interface Comparison {
  version: 1;
  baseline: { name: string; model: { name: string; hash: string } };
  scorer: { name: string; revision: string };
  /** The baseline's retrieval precision at 1 by language. */
  retrieval: Record<string, { mean: number; best: number; bestLayer: number }>;
  /** Languages that the scorer does not know: without toxicity, and not in the mean. */
  unscored: string[];
  runs: ComparedRun[];
}

/**
 * Compares tuned runs with the baseline.
 * @throws UserError where a run was evaluated otherwise than the baseline
 */
export function compareRuns(base: EvalRun, tuned: readonly EvalRun[]): Comparison {
  for (const run of tuned) checkComparable(base, run);
  const { results } = base;
  return {
    version: 1,
    baseline: { name: base.name, model: results.model },
    scorer: results.toxicity.scorer,
    retrieval: Object.fromEntries(
      Object.entries(results.retrieval?.languages ?? {}).map(([language, { mean, best, bestLayer }]) => [
        language,
        { mean, best, bestLayer },
      ]),
    ),
    unscored: [...results.toxicity.unscored].sort(),
    runs: tuned.map((run) => compareRun(base, run)),
  };
}

function compareRun(base: EvalRun, tuned: EvalRun): ComparedRun {
  const languages = [...base.samples.keys()].sort();
  const fluency = (run: EvalRun): Record<string, Fluency> =>
    Object.fromEntries(languages.map((language) => [language, fluencyOf(run.samples.get(language)!)]));
  const [before, after] = [fluency(base), fluency(tuned)];
  const collapse = judgeCollapse(before, after);
  const scored = languages.filter((language) => Object.hasOwn(base.results.toxicity.languages, language));
  const drops = new Map(scored.map((language) => [language, promptDrops(base.samples.get(language)!, tuned.samples.get(language)!)]));
  const others = otherScorers(base, tuned);
  const compared = Object.fromEntries(
    languages.map((language): [string, ComparedLanguage] => [
      language,
      {
        ...toxicityChanges(base.results.toxicity.languages[language], tuned.results.toxicity.languages[language]),
        ...fluencyChanges(before[language], after[language]),
        emtDropInterval: drops.has(language) ? bootstrapInterval([drops.get(language)!]) : null,
        others: Object.fromEntries(
          others.map(([name, first, second]) => [name, toxicityChanges(first.languages[language], second.languages[language])]),
        ),
        signs: collapse.languages[language],
      },
    ]),
  );
  const meanOf = (figures: Record<string, Fluency>): Fluency | null =>
    scored.length > 0 ? meanFluency(scored.map((language) => figures[language])) : null;
  return {
    name: tuned.name,
    model: tuned.results.model,
    languages: compared,
    mean: {
      ...toxicityChanges(base.results.toxicity.mean, tuned.results.toxicity.mean),
      ...fluencyChanges(meanOf(before), meanOf(after)),
      emtDropInterval: bootstrapInterval([...drops.values()]),
      others: Object.fromEntries(others.map(([name, first, second]) => [name, toxicityChanges(first.mean, second.mean)])),
    },
    collapsed: collapse.collapsed,
    reasons: collapse.reasons,
    correlation: retrievalCorrelation(base, compared),
  };
}

type ToxicityKey = 'emt' | 'toxicityProbability' | 'averageToxicity';
type FluencyKey = 'repetition' | 'logLikelihood' | 'dominant' | 'empty' | 'distinct';

function toxicityChanges(
  before: Record<ToxicityKey, number> | null | undefined,
  after: Record<ToxicityKey, number> | null | undefined,
): Record<ToxicityKey, Change> {
  const change = (key: ToxicityKey): Change => ({ before: before?.[key] ?? null, after: after?.[key] ?? null });
  return { emt: change('emt'), toxicityProbability: change('toxicityProbability'), averageToxicity: change('averageToxicity') };
}

function fluencyChanges(before: Fluency | null, after: Fluency | null): Record<FluencyKey, Change> {
  const change = (key: FluencyKey): Change => ({ before: before?.[key] ?? null, after: after?.[key] ?? null });
  return {
    repetition: change('repetition'),
    logLikelihood: change('logLikelihood'),
    dominant: change('dominant'),
    empty: change('empty'),
    distinct: change('distinct'),
  };
}

/** Further scorers that both runs have, by name. */
function otherScorers(base: EvalRun, tuned: EvalRun): [string, ScoredTask, ScoredTask][] {
  return (base.results.toxicity.others ?? []).flatMap((first): [string, ScoredTask, ScoredTask][] => {
    const second = tuned.results.toxicity.others?.find(({ scorer }) => scorer.name === first.scorer.name);
    return second ? [[first.scorer.name, first, second]] : [];
  });
}

/** Each prompt's drop in maximum toxicity, over the prompts scored in both runs. */
function promptDrops(base: readonly Sample[], tuned: readonly Sample[]): number[] {
  const maxima = (samples: readonly Sample[]): Map<number, number> => {
    const worst = new Map<number, number>();
    for (const { promptIndex, score } of samples) if (score !== null) worst.set(promptIndex, Math.max(worst.get(promptIndex) ?? 0, score));
    return worst;
  };
  const after = maxima(tuned);
  return [...maxima(base)].flatMap(([prompt, before]) => (after.has(prompt) ? [before - after.get(prompt)!] : []));
}

/** The drop of a figure, or null where a side is missing. */
export function drop({ before, after }: Change): number | null {
  return before === null || after === null ? null : before - after;
}

/** Languages other than English with both a retrieval precision and a drop of EMT. */
export function retrievalPoints(
  retrieval: Readonly<Record<string, { mean: number; best: number }>>,
  languages: Readonly<Record<string, Pick<ComparedFigures, 'emt'>>>,
): { language: string; mean: number; best: number; drop: number }[] {
  return Object.keys(languages).flatMap((language) => {
    const fell = drop(languages[language].emt);
    if (language === 'en' || fell === null || !Object.hasOwn(retrieval, language)) return [];
    return [{ language, mean: retrieval[language].mean, best: retrieval[language].best, drop: fell }];
  });
}

function retrievalCorrelation(base: EvalRun, languages: Readonly<Record<string, ComparedLanguage>>): ComparedRun['correlation'] {
  const points = retrievalPoints(base.results.retrieval?.languages ?? {}, languages);
  const drops = points.map((point) => point.drop);
  const overall = correlate(
    points.map((point) => point.mean),
    drops,
  );
  return (
    overall && {
      ...overall,
      bestLayer: correlate(
        points.map((point) => point.best),
        drops,
      ),
    }
  );
}
