import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEvaluation, bestLine, bestModelRule, isExhausted, type BestModelRule, type EvaluationHistory } from '../../trainer/bestModel';
import { resolveRunConfig } from '../../trainer/runConfig';

interface GoldenCase {
  name: string;
  values: (number | 'nan' | 'inf')[];
  greater?: boolean;
  patience?: number;
  threshold?: number;
  stopped: number;
  stale: number[];
  best_step: number | null;
  best_metric: number | null;
}
const golden = JSON.parse(readFileSync(join(__dirname, '../goldens/bestModel.json'), 'utf8')) as {
  cases: GoldenCase[];
  greater_is_better: Record<string, boolean>;
};
const number = (value: number | 'nan' | 'inf'): number => (value === 'nan' ? NaN : value === 'inf' ? Infinity : value);

test.each(golden.cases)("which evaluation is the best and where the run ends is as in transformers' Trainer: $name", (one) => {
  const rule: BestModelRule = {
    ...{ metric: 'eval_score', greaterIsBetter: one.greater ?? false, threshold: one.threshold ?? 0, patience: one.patience ?? Infinity },
  };
  let history: EvaluationHistory = { count: 0, stale: 0 };
  const stale: number[] = [];
  for (const [i, value] of one.values.entries()) {
    history = afterEvaluation(history, i + 1, number(value), rule);
    stale.push(history.stale);
    if (isExhausted(history, rule)) break;
  }
  expect([history.count, stale]).toEqual([one.stopped, one.stale]);
  expect([history.best?.step ?? null, history.best?.value ?? null]).toEqual([one.best_step, one.best_metric]);
});

test.each(Object.entries(golden.greater_is_better))('%s: higher is better %s, as TrainingArguments infers it', async (name, greater) => {
  const options = { model: 'm', train: 't.jsonl', output: 'o', evalFraction: 0.1, loadBestModelAtEnd: true, metricForBestModel: name };
  const rule = bestModelRule(await resolveRunConfig(options))!;
  expect([rule.metric, rule.greaterIsBetter, rule.patience]).toEqual([`eval_${name.replace('eval_', '')}`, greater, Infinity]);
  const contrary = bestModelRule(await resolveRunConfig({ ...options, greaterIsBetter: !greater }))!;
  expect(contrary.greaterIsBetter).toBe(!greater);
});

test('without a best model to keep and without patience there is no rule', async () => {
  const options = { model: 'm', train: 't.jsonl', output: 'o', evalFraction: 0.1 };
  expect(bestModelRule(await resolveRunConfig(options))).toBeUndefined();
  expect(bestModelRule(await resolveRunConfig({ ...options, earlyStoppingPatience: 2 }))!.patience).toBe(2);
});

test('the line about the best evaluation', () => {
  const rule = { metric: 'eval_loss', greaterIsBetter: false, threshold: 0, patience: Infinity };
  const best = { step: 2, value: 0.123456789 };
  const line = 'the model has the weights of step 2, whose eval_loss of 0.123457 is the lowest of';
  expect(bestLine(rule, { count: 1, best, stale: 0 }, 2)).toBe(`${line} 1 evaluation`);
  expect(bestLine(rule, { count: 2, best, stale: 1 }, 4)).toBe(`${line} 2 evaluations`);
  expect(bestLine(rule, { count: 2, stale: 1 }, 4)).toBe(
    'there are no weights of an evaluation with a number as eval_loss: the model has the weights of the last step, 4',
  );
});
