import { resolve } from 'node:path';
import { UserError } from '../util/errors';
import type { ScoredTask } from './evalSchema';
import type { EvalRun } from './readRun';

/** Options of dpo-eval that change what a sample is drawn from: equal in runs that are compared. The seed only changes the draw. */
export const SAMPLING_OPTIONS = ['samples', 'maxNewTokens', 'temperature', 'topP'] as const;

/**
 * Refuses runs whose figures mean different things: other prompts, other scorers, another fluency model or other sampling options.
 * @throws UserError that names the first difference and both values
 */
export function checkComparable(base: EvalRun, tuned: EvalRun): void {
  const refuse = (what: string, before: string, after: string): never => {
    throw new UserError(`cannot compare ${base.folder} with ${tuned.folder}: different ${what}: ${before} and ${after}`);
  };
  const same = (what: string, before: string, after: string): void => {
    if (before !== after) refuse(what, before, after);
  };
  for (const option of SAMPLING_OPTIONS) same(option, show(base.results.options[option]), show(tuned.results.options[option]));
  const [template, otherTemplate] = [base, tuned].map(({ results }) => show(results.options.applyChatTemplate ?? false));
  same('applyChatTemplate', template, otherTemplate);
  const [day, otherDay] = [base, tuned].map(({ results }) => show(results.options.chatTemplateDate));
  // pairs are written with a template too, but what is compared are continuations
  if (template === 'true' && day !== otherDay)
    refuse('chatTemplateDate, which the prompts hold (dpo-eval --chat-template-date sets it)', day, otherDay);
  const [fluency, otherFluency] = [base.results.options.fluencyModel, tuned.results.options.fluencyModel];
  if (typeof fluency === 'string' && typeof otherFluency === 'string' && resolve(fluency) !== resolve(otherFluency))
    refuse('fluencyModel', show(fluency), show(otherFluency));
  same('languages', [...base.samples.keys()].sort().join(' '), [...tuned.samples.keys()].sort().join(' '));
  for (const [language, texts] of base.prompts) {
    const others = tuned.prompts.get(language);
    same(`number of prompts in ${language}`, String(texts.size), String(others?.size ?? 0));
    for (const [index, text] of texts) same(`prompts: ${language}, prompt ${index}`, quote(text), quote(others?.get(index) ?? ''));
  }
  for (const [language, rows] of base.samples)
    same(`number of samples in ${language}`, String(rows.length), String(tuned.samples.get(language)?.length));
  const [before, after] = [base.results.toxicity, tuned.results.toxicity];
  same('scorers', scorerName(before), scorerName(after));
  for (const other of before.others ?? []) {
    const match = after.others?.find(({ scorer }) => scorer.name === other.scorer.name);
    if (match) same('scorers', scorerName(other), scorerName(match));
  }
  for (const task of [before, ...(before.others ?? [])]) {
    const match = [after, ...(after.others ?? [])].find(({ scorer }) => scorer.name === task.scorer.name);
    if (match) same(`unscored languages of ${task.scorer.name}`, show([...task.unscored].sort()), show([...match.unscored].sort()));
  }
}

const scorerName = ({ scorer }: ScoredTask): string => `${scorer.name} (revision ${scorer.revision})`;

function show(value: unknown): string {
  return value === undefined ? 'not given' : JSON.stringify(value);
}

/** The texts differ somewhere: shows enough of each to see that, from the start. */
function quote(text: string): string {
  return JSON.stringify(text);
}
