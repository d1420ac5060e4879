import { UserError } from '../../util/errors';
import { nearest } from '../../util/suggest';
import { fieldError, positiveInteger, section, text, type ConfigSource } from '../configFields';

/** A classifier's labels, and how its logits become probabilities. */
export interface Labels {
  /** By index. */
  names: readonly string[];
  /** Each label on its own (the logistic function), or one of them for each text (softmax). */
  multiple: boolean;
}

const PROBLEMS = ['single_label_classification', 'multi_label_classification'];

/**
 * The labels of a config.json: `id2label`, else `num_labels` (two by default) of them named LABEL_0, LABEL_1 … A single label, and every
 * label of a `multi_label_classification`, has a probability of its own, as in transformers' text classification pipeline.
 * @throws UserError for ids that are not 0, 1, 2 …, a name given twice, or a regression
 */
export function labelFields(source: ConfigSource): Labels {
  const problem = text(source, 'problem_type', '');
  // a regression's value is no probability
  if (problem !== '' && !PROBLEMS.includes(problem)) throw fieldError(source, 'problem_type', problem, `one of ${PROBLEMS.join(', ')}`);
  const names = labelNames(source);
  return { names, multiple: problem === 'multi_label_classification' || names.length === 1 };
}

function labelNames(source: ConfigSource): string[] {
  const table = section(source, 'id2label');
  if (!table) {
    const count = positiveInteger(source, ['num_labels', '_num_labels'], 2);
    return Array.from({ length: count }, (_, i) => `LABEL_${i}`);
  }
  const count = Object.keys(table.json).length;
  const names = Array.from({ length: count }, (_, i) => table.json[String(i)]);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (count === 0 || twice !== undefined || !names.every((name) => typeof name === 'string'))
    throw fieldError(source, 'id2label', table.json, 'different names for the ids 0, 1, 2 …');
  return names as string[];
}

/** Words that turn `toxic` around. */
const NEGATED = /\b(?:non|not|no|un)[\s_-]*toxic/i;

/**
 * The index of the label that a toxicity scorer reads.
 * @param wanted its name, in any case; by default a label named `toxic` or `toxicity`, else the only one with `toxic` in its name (and no
 * `non` or `not` before it), else `LABEL_1` of a LABEL_0 and LABEL_1, else the only label
 * @param model for the error
 * @throws UserError listing the labels
 */
export function toxicLabel(labels: readonly string[], wanted: string | undefined, model: string): number {
  const listed = labels.join(', ');
  if (wanted !== undefined) {
    const exact = labels.indexOf(wanted);
    const found = exact >= 0 ? [exact] : indices(labels, (label) => label.toLowerCase() === wanted.toLowerCase());
    if (found.length === 1) return found[0];
    const guess = nearest(wanted, labels);
    throw new UserError(`${model}: no label "${wanted}"${guess === undefined ? '' : `; did you mean "${guess}"?`}; its labels: ${listed}`);
  }
  const rules = [
    (label: string) => /^toxic(?:ity)?$/i.test(label),
    (label: string) => /toxic/i.test(label) && !NEGATED.test(label),
    (label: string) => labels.length === 2 && labels[0] === 'LABEL_0' && label === 'LABEL_1',
    () => labels.length === 1,
  ];
  for (const rule of rules) {
    const found = indices(labels, rule);
    if (found.length === 1) return found[0];
  }
  throw new UserError(`${model}: which label means toxic? name one: classifier:${model}:LABEL; its labels: ${listed}`);
}

function indices(labels: readonly string[], rule: (label: string) => boolean): number[] {
  return labels.flatMap((label, i) => (rule(label) ? [i] : []));
}
