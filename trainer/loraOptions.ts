import type { Quantization } from '../engine/engine';
import { ALL_LINEAR } from '../models/adapters/adaptableModules';
import { isAdapterFolder } from '../models/adapters/adapterFolder';
import type { LoraOptions } from '../models/adapters/types';
import { UserError } from '../util/errors';
import { flagName } from '../util/optionIssues';
import { chosenQuantization } from '../util/quantizationOptions';
import type { RunConfig } from './runConfig';

/** The targets that `--lora-targets` lists, every linear layer by default. */
export function adaptableTargets(given: string = ALL_LINEAR): string[] {
  // a comma inside {1,2} belongs to a regular expression
  return given.split(/,(?![^{]*\})/).map((target) => target.trim());
}

/** The names that `--lora-modules-to-save` lists. */
export function wholeModules(given: string | undefined): string[] {
  return given === undefined ? [] : given.split(',').map((name) => name.trim());
}

/** The adapter that a run makes and trains, if it makes one. @throws UserError for options of an adapter without its rank */
export function loraOptions(config: RunConfig): LoraOptions | undefined {
  const rank = config.loraRank;
  const further = {
    loraAlpha: config.loraAlpha,
    loraTargets: config.loraTargets,
    loraModulesToSave: config.loraModulesToSave,
    rslora: config.rslora || undefined,
    loraDora: config.loraDora || undefined,
    loraEnsureWeightTying: config.loraEnsureWeightTying || undefined,
  };
  if (rank !== undefined && config.adapter !== undefined)
    throw new UserError(`--lora-rank makes a new adapter and --adapter ${config.adapter} is one already: give one of them`);
  if (rank === undefined) {
    const given = Object.entries(further).find(([, value]) => value !== undefined);
    if (given) throw new UserError(`--${flagName(given[0])} is for LoRA: give --lora-rank`);
    return undefined;
  }
  const targets = adaptableTargets(config.loraTargets);
  const [alpha, dropout] = [config.loraAlpha ?? 2 * rank, config.loraDropout ?? 0];
  const modulesToSave = wholeModules(config.loraModulesToSave);
  return {
    ...{ rank, alpha, rslora: config.rslora, dora: config.loraDora, targets, modulesToSave, dropout, seed: config.seed },
    ensureWeightTying: config.loraEnsureWeightTying,
  };
}

/** How a run keeps its base model's linear weights in 4 bits, if it does. @throws UserError where all weights are trained */
export function quantizationOf(config: RunConfig): Quantization | undefined {
  const chosen = chosenQuantization(config.quantization, config.doubleQuantization);
  if (chosen && config.loraRank === undefined && config.adapter === undefined && !isAdapterFolder(config.model))
    throw new UserError(`--quantization ${chosen.type}: weights in 4 bits cannot be trained themselves; give --lora-rank or --adapter`);
  return chosen;
}
