import { lookup } from '../util/suggest';
import { hinge } from './hinge';
import { sigmoid } from './sigmoid';
import type { PreferenceLoss } from './types';

/** Every loss by the name that `--loss` takes; the names are TRL's. */
export const losses = { sigmoid, hinge } satisfies Record<string, PreferenceLoss>;

export type LossName = keyof typeof losses;

/** The loss of that name. @throws UserError with the nearest known name */
export function lossByName(name: string): PreferenceLoss {
  return lookup<PreferenceLoss>(losses, name, 'loss');
}
