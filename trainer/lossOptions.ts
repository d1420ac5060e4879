import { z } from 'zod';
import { UserError } from '../util/errors';
import { nearest } from '../util/suggest';

/** Every loss that `--loss` takes. Not read from losses/: --help would load the engine. */
export const LOSSES: readonly string[] = [
  ...['sigmoid', 'hinge', 'ipo', 'robust', 'exo_pair', 'nca_pair', 'bco_pair', 'sppo_hard'],
  ...['apo_zero', 'apo_down', 'discopop', 'sigmoid_norm', 'aot', 'aot_unpaired', 'sft'],
];

/** Losses that read the label smoothing. */
const SMOOTHED = ['sigmoid', 'robust', 'exo_pair', 'aot', 'aot_unpaired'];
/** Losses of the margin alone, in which the partition function that other divergences leave cancels; and `sft`, which has no margin. */
const DIVERGENT = ['sigmoid', 'hinge', 'ipo', 'robust', 'exo_pair', 'discopop', 'sigmoid_norm', 'sft'];

/** Losses that are no sum over pairs. */
const OF_BATCH = ['aot', 'aot_unpaired', 'sft'];

/** The names that `--loss` lists. */
export function lossNames(given: string): string[] {
  return given.split(',').map((name) => name.trim());
}

/** The weights that `--loss-weights` lists, 1 each without; one that is no number is NaN. */
export function lossWeights(given: string | undefined, count: number): number[] {
  if (given === undefined) return Array.from({ length: count }, () => 1);
  return given.split(',').map((weight) => (weight.trim() === '' ? NaN : Number(weight)));
}

/** Options of the loss, for the schema of a run. */
export const lossOptions = {
  loss: z
    .string()
    .superRefine((given, context) => {
      const unknown = lossNames(given).find((name) => !LOSSES.includes(name));
      if (unknown === undefined) return;
      const guess = nearest(unknown, LOSSES);
      context.addIssue({ code: 'custom', message: `allowed: ${LOSSES.join(', ')}${guess ? `; did you mean ${guess}?` : ''}` });
    })
    .default('sigmoid')
    .describe(`preference loss, as TRL names them, or several separated by commas, whose weighted sum it is: ${LOSSES.join(', ')}`),
  lossWeights: z
    .string()
    .refine((given) => lossWeights(given, 0).every(Number.isFinite), 'must be numbers separated by commas')
    .optional()
    .describe("several losses' weights, separated by commas; by default 1 each"),
  labelSmoothing: z
    .number()
    .min(0)
    .lt(0.5)
    .default(0)
    .describe(`share of pairs whose labels are taken to be swapped, for the losses ${SMOOTHED.join(', ')}`),
  fDivergenceType: z
    .enum(['reverse_kl', 'forward_kl', 'js_divergence', 'alpha_divergence'])
    .default('reverse_kl')
    .describe(`divergence that keeps the policy near its reference, for the losses ${DIVERGENT.join(', ')}`),
  fAlphaDivergenceCoef: z.number().default(0.5).describe("alpha_divergence's alpha"),
  ldAlpha: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("what the tokens of a completion beyond the other one's length count (LD-DPO); 1 when not given, as all others"),
  useWeighting: z
    .boolean()
    .default(false)
    .describe(`weigh pairs by how likely the policy's completions are, a token (WPO), for all losses but ${OF_BATCH.join(', ')}`),
  discopopTau: z.number().positive().default(0.05).describe("discopop's temperature"),
};

/** The resolved options of the loss. */
export type LossChoice = Readonly<z.output<z.ZodObject<typeof lossOptions>>>;

/** Options of the loss that contradict each other, or belong to another loss and would do nothing. @throws UserError naming the first */
export function refuseIdleLossOptions(options: LossChoice): void {
  const { loss, labelSmoothing, fDivergenceType, fAlphaDivergenceCoef, discopopTau } = options;
  const names = lossNames(loss);
  const weights = lossWeights(options.lossWeights, names.length);
  if (weights.length !== names.length)
    throw new UserError(
      `--loss-weights ${options.lossWeights} has ${weights.length} weights, and --loss ${loss} ${names.length} losses: give one each`,
    );
  if (weights.every((weight) => weight === 0))
    throw new UserError(`--loss-weights ${options.lossWeights} leave nothing to train: one at least must not be 0`);
  if (labelSmoothing > 0 && !names.some((name) => SMOOTHED.includes(name)))
    throw new UserError(`--label-smoothing is ${labelSmoothing}: it belongs to ${SMOOTHED.join(', ')}, and --loss is ${loss}`);
  if (labelSmoothing === 0 && names.includes('exo_pair'))
    throw new UserError('--loss exo_pair needs a --label-smoothing of more than 0; its paper recommends 1e-3');
  const whole = names.find((name) => !DIVERGENT.includes(name));
  if (fDivergenceType !== 'reverse_kl' && whole !== undefined)
    throw new UserError(`--f-divergence-type is ${fDivergenceType}: it belongs to ${DIVERGENT.join(', ')}, and --loss has ${whole}`);
  if (fDivergenceType !== 'reverse_kl' && names.every((name) => name === 'sft'))
    throw new UserError(`--f-divergence-type is ${fDivergenceType}: --loss sft alone has no use for it`);
  if (fAlphaDivergenceCoef !== 0.5 && fDivergenceType !== 'alpha_divergence')
    throw new UserError(
      `--f-alpha-divergence-coef is ${fAlphaDivergenceCoef}: it belongs to alpha_divergence, and --f-divergence-type is ${fDivergenceType}`,
    );
  const unweighted = names.find((name) => OF_BATCH.includes(name));
  if (options.useWeighting && unweighted !== undefined)
    throw new UserError(`--use-weighting weighs pairs, and ${unweighted} is a loss of the whole batch: leave one of them out`);
  if (options.ldAlpha !== undefined && names.every((name) => name === 'sft'))
    throw new UserError(`--ld-alpha is ${options.ldAlpha}: --loss sft alone has no use for it`);
  if (discopopTau !== 0.05 && !names.includes('discopop'))
    throw new UserError(`--discopop-tau is ${discopopTau}: it belongs to discopop, and --loss is ${loss}`);
}
