import { combined } from '../losses/combined';
import { lossByName } from '../losses/registry';
import type { PreferenceLoss } from '../losses/types';
import { lossNames, lossWeights } from './lossOptions';
import type { RunConfig } from './runConfig';

/** A run's loss, its options in it. */
export function runLoss(config: RunConfig): PreferenceLoss {
  const names = lossNames(config.loss);
  const loss = combined(names.map(lossByName), lossWeights(config.lossWeights, names.length));
  const own = {
    divergence: { type: config.fDivergenceType, alpha: config.fAlphaDivergenceCoef },
    discopopTau: config.discopopTau,
  };
  return { ...loss, compute: (policy, reference, options) => loss.compute(policy, reference, { ...own, ...options }) };
}
