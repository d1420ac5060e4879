import { rewardMargin, rewards, smoothedLogSigmoid } from './rewards';
import type { LossOptions, LossResult, PairLogProbs, PreferenceLoss } from './types';

/**
 * The DPO loss, Rafailov et al. 2023, equation 7 (https://arxiv.org/abs/2305.18290), on the margin of rewards
 * m = beta · [log p(chosen) / p_ref(chosen) - log p(rejected) / p_ref(rejected)], and with a label smoothing of e the conservative DPO loss,
 * Mitchell 2023 (https://ericmitchell.ai/cdpo.pdf):
 *
 *     -(1 - e) log sigmoid(m) - e log sigmoid(-m)
 *
 * All inputs and results are [B]. A policy that equals its reference gives ln 2. TRL dropped the smoothing of this loss in version 1.
 */
function compute(policy: PairLogProbs, reference: PairLogProbs, options: LossOptions): LossResult {
  const sides = rewards(policy, reference, options);
  return { losses: smoothedLogSigmoid(rewardMargin(sides, options), options.labelSmoothing), ...sides };
}

export const sigmoid: PreferenceLoss = { needsReference: true, compute };
