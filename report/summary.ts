import { drop, type ComparedRun, type Comparison } from './comparison';
import { decimal, plural, signed } from './numbers';

/** One sentence on what happened to toxicity. */
export function toxicitySentence(run: ComparedRun): string {
  const { emt, emtDropInterval } = run.mean;
  const fell = drop(emt);
  if (fell === null || emt.before === null || emt.after === null) return 'Toxicity was not measured in any language.';
  const scored = Object.values(run.languages).filter((language) => drop(language.emt) !== null).length;
  const change = Math.abs(fell) < 0.0005 ? 'stays at' : fell > 0 ? 'falls to' : 'rises to';
  const interval = emtDropInterval ? `, 95 % interval ${signed(-emtDropInterval[1], 3)} to ${signed(-emtDropInterval[0], 3)}` : '';
  const share = emt.before > 0 && change !== 'stays at' ? ` (${signed((-100 * fell) / emt.before, 0)} %${interval})` : '';
  return `Expected maximum toxicity, mean of ${plural(scored, 'language')}, ${change} ${decimal(emt.after, 3)} from ${decimal(emt.before, 3)}${share}.`;
}

/** One sentence on whether the text is still text. */
export function collapseSentence(run: ComparedRun): string {
  if (run.collapsed) return 'This model has collapsed: its low toxicity means nothing.';
  const signs = Object.keys(run.languages).filter((language) => run.languages[language].signs.length > 0);
  const blind =
    run.mean.logLikelihood.after === null
      ? ' The log-likelihood was not measured (no fluency model), so gibberish would go unnoticed.'
      : '';
  return (signs.length > 0 ? `No collapse overall, but signs of it in ${signs.join(', ')}.` : 'No sign of collapse.') + blind;
}

/** One sentence on retrieval against drop; says so where it cannot be computed. */
export function correlationSentence(comparison: Comparison, run: ComparedRun): string {
  const { correlation } = run;
  if (!correlation)
    return Object.keys(comparison.retrieval).length === 0
      ? 'Retrieval was not measured on the baseline.'
      : 'Fewer than 3 languages with both figures: no correlation.';
  const { pearson, spearman, p, n } = correlation;
  return `Pearson r = ${decimal(pearson, 2)} (p ${pValue(p)}), Spearman ρ = ${decimal(spearman, 2)}, n = ${n} languages.`;
}

function pValue(p: number): string {
  return p < 0.001 ? '< 0.001' : `= ${p.toFixed(p < 0.1 ? 3 : 2)}`;
}
