import { negLogSigmoid, normalizedMargin, rewards } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * DPO on log(p / p_ref) a token, TRL's `sigmoid_norm` (Lambert et al. 2024, Tülu 3, section 5.1, https://arxiv.org/abs/2411.15124):
 * -log sigmoid(beta · d), d as in `ipo`.
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  return { losses: negLogSigmoid(normalizedMargin(sides, options)), ...sides };
}

export const sigmoidNorm: PreferenceLoss = { needsReference: true, compute };
