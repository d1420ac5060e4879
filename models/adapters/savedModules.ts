import { UserError } from '../../util/errors';
import { nearest } from '../../util/suggest';
import type { Architecture, BaseConfig } from '../types';
import { untiedShapes } from './adaptableModules';

/** A module that an adapter trains whole, with the names of its weights. */
export interface SavedModule {
  name: string;
  weights: readonly string[];
}

/**
 * The modules that `modules_to_save` names: each name, whole or its last parts, means every module that ends in it.
 * @throws UserError for a name that no module has, or one of a module that LoRA goes on as well
 */
export function savedModules(
  architecture: Architecture,
  config: BaseConfig,
  names: readonly string[],
  adapted: readonly { name: string }[],
): SavedModule[] {
  const modules = new Map<string, string[]>();
  for (const weight of Object.keys(untiedShapes(architecture, config))) {
    const module = weight.slice(0, weight.lastIndexOf('.'));
    modules.set(module, [...(modules.get(module) ?? []), weight]);
  }
  const chosen = new Set<string>();
  for (const name of names) {
    const found = [...modules.keys()].filter((module) => module === name || module.endsWith(`.${name}`));
    if (found.length === 0) {
      const known = [...new Set([...modules.keys()].map((module) => module.slice(module.lastIndexOf('.') + 1)))];
      const guess = nearest(name, known);
      throw new UserError(
        `--lora-modules-to-save: "${name}" names no module of a ${config.modelType}${guess ? `; did you mean ${guess}?` : ''}; there are ${known.join(', ')}`,
      );
    }
    for (const module of found) chosen.add(module);
  }
  const twice = adapted.find(({ name }) => chosen.has(name));
  if (twice)
    throw new UserError(`--lora-modules-to-save and --lora-targets both name ${twice.name}: it is trained whole or by LoRA, not both`);
  return [...modules].filter(([name]) => chosen.has(name)).map(([name, weights]) => ({ name, weights }));
}
