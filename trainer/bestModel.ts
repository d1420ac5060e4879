import type { RunConfig } from './runConfig';

/** What a run does with its evaluations: which figure counts, and when to stop for want of a better one. */
export interface BestModelRule {
  /** A figure of evaluation lines. */
  metric: string;
  greaterIsBetter: boolean;
  /** What an evaluation must better the best by, and more, to count for the patience. */
  threshold: number;
  /** Evaluations in a row without such an improvement at which the run ends; infinite where it never does. */
  patience: number;
}

/** What a run's evaluations gave so far. */
export interface EvaluationHistory {
  /** Evaluations so far. */
  count: number;
  /** The best one; absent while none gave a number. */
  best?: { step: number; value: number } | undefined;
  /** Evaluations in a row that the patience counts as no improvement. */
  stale: number;
}

/** A run's rule, where it keeps the best model or stops early. A metric is better lower where its name ends in "loss", as in transformers. */
export function bestModelRule(config: RunConfig): BestModelRule | undefined {
  if (!config.loadBestModelAtEnd && config.earlyStoppingPatience === 0) return undefined;
  const metric = config.metricForBestModel;
  return {
    metric,
    greaterIsBetter: config.greaterIsBetter ?? !metric.endsWith('loss'),
    threshold: config.earlyStoppingThreshold,
    patience: config.earlyStoppingPatience || Infinity,
  };
}

/**
 * The history after one more evaluation, as transformers 5.23 has it (`EarlyStoppingCallback.check_metric_value`, then
 * `Trainer._determine_best_metric`): of equal values the first stays the best; an improvement of no more than the threshold is the new
 * best and counts against the patience nonetheless; a value that is no number is never the best, and only as the very first one does not
 * count against the patience.
 */
export function afterEvaluation(history: EvaluationHistory, step: number, value: number, rule: BestModelRule): EvaluationHistory {
  const standing = history.best?.value ?? (rule.greaterIsBetter ? -Infinity : Infinity);
  const isBetter = Number.isFinite(value) && (rule.greaterIsBetter ? value > standing : value < standing);
  const isImprovement = history.count === 0 || (isBetter && Math.abs(value - standing) > rule.threshold);
  return {
    count: history.count + 1,
    best: isBetter ? { step, value } : history.best,
    stale: isImprovement ? 0 : history.stale + 1,
  };
}

/** Whether a run's patience is at its end. */
export function isExhausted(history: EvaluationHistory | undefined, rule: BestModelRule | undefined): boolean {
  return history !== undefined && rule !== undefined && history.stale >= rule.patience;
}

/** The best evaluation as it stands in the log. */
export function bestFigures(history: EvaluationHistory | undefined): Record<string, number> {
  return history?.best ? { best_step: history.best.step, best_metric: history.best.value } : {};
}

/** One line about a run that its patience ended. */
export function stoppedLine({ metric, greaterIsBetter, threshold, patience }: BestModelRule, step: number, totalSteps: number): string {
  const by = threshold > 0 ? ` by more than ${threshold}` : '';
  return (
    `stopped early after step ${step} of ${totalSteps}: ${patience} evaluation${patience === 1 ? '' : 's in a row'} ` +
    `without a ${greaterIsBetter ? 'higher' : 'lower'} ${metric}${by} (--early-stopping-patience)`
  );
}

/** One line about the weights that a run leaves as its model. */
export function bestLine({ metric, greaterIsBetter }: BestModelRule, { best, count }: EvaluationHistory, step: number): string {
  if (!best) return `there are no weights of an evaluation with a number as ${metric}: the model has the weights of the last step, ${step}`;
  return `the model has the weights of step ${best.step}, whose ${metric} of ${Number(best.value.toPrecision(6))} is the ${greaterIsBetter ? 'highest' : 'lowest'} of ${count} evaluation${count === 1 ? '' : 's'}`;
}
