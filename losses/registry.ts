import { lookup } from '../util/suggest';
import { aot } from './aot';
import { aotUnpaired } from './aotUnpaired';
import { apoDown } from './apoDown';
import { apoZero } from './apoZero';
import { bcoPair } from './bcoPair';
import { discopop } from './discopop';
import { exoPair } from './exoPair';
import { hinge } from './hinge';
import { ipo } from './ipo';
import { ncaPair } from './ncaPair';
import { robust } from './robust';
import { sft } from './sft';
import { sigmoid } from './sigmoid';
import { sigmoidNorm } from './sigmoidNorm';
import { sppoHard } from './sppoHard';
import type { PreferenceLoss } from './types';

/** Every loss by the name that `--loss` takes; the names are TRL's. */
export const losses = {
  ...{ sigmoid, hinge, ipo, robust, exo_pair: exoPair, nca_pair: ncaPair, bco_pair: bcoPair, sppo_hard: sppoHard },
  ...{ apo_zero: apoZero, apo_down: apoDown, discopop, sigmoid_norm: sigmoidNorm },
  ...{ aot, aot_unpaired: aotUnpaired, sft },
} satisfies Record<string, PreferenceLoss>;

export type LossName = keyof typeof losses;

/** The loss of that name. @throws UserError with the nearest known name */
export function lossByName(name: string): PreferenceLoss {
  return lookup<PreferenceLoss>(losses, name, 'loss');
}
