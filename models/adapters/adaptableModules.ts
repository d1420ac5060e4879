import { UserError } from '../../util/errors';
import { nearest } from '../../util/suggest';
import type { Architecture, BaseConfig } from '../types';

/** A module that a low-rank addition can be made to. */
export interface AdaptableModule {
  /** The module's name: its weight's without `.weight`. */
  name: string;
  inputs: number;
  outputs: number;
}

/** Every target that means all linear layers but the head, as in PEFT. */
export const ALL_LINEAR = 'all-linear';

const EMBEDDING = /(^|\.)(wte|wpe|embed_tokens|embed_in|word_embeddings|embed_positions)$/;
const HEAD = /(^|\.)(lm_head|embed_out)$/;

/** The linear layers of a model, without its embeddings and head, in the model's order. */
export function linearModules(architecture: Architecture, config: BaseConfig): AdaptableModule[] {
  return Object.entries(architecture.weightShapes(config)).flatMap(([weight, shape]) => {
    const name = weight.replace(/\.weight$/, '');
    if (name === weight || shape.length !== 2 || EMBEDDING.test(name) || HEAD.test(name)) return [];
    const [outputs, inputs] = architecture.inputFirst ? [shape[1], shape[0]] : shape;
    return [{ name, inputs, outputs }];
  });
}

/**
 * The modules that targets name. A plain name means every module whose name ends in it, part by part; anything else is a regular
 * expression for whole names; `all-linear` means every linear layer but the head. As in PEFT.
 * @throws UserError for a target that names no module, listing the names there are
 */
export function targetModules(architecture: Architecture, config: BaseConfig, targets: readonly string[]): AdaptableModule[] {
  const modules = linearModules(architecture, config);
  const chosen = new Set<string>();
  for (const target of targets) {
    const matches = target === ALL_LINEAR ? () => true : matcher(target);
    const found = modules.filter(({ name }) => matches(name));
    if (found.length === 0) throw unknownTarget(target, modules, config);
    for (const { name } of found) chosen.add(name);
  }
  return modules.filter(({ name }) => chosen.has(name));
}

/** Whether a module's name is meant by a plain name or a regular expression. @throws UserError for a damaged expression */
function matcher(target: string): (name: string) => boolean {
  if (/^[\w.]+$/.test(target)) return (name) => name === target || name.endsWith(`.${target}`);
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^(?:${target})$`);
  } catch (error) {
    throw new UserError(`--lora-targets: "${target}" is no regular expression: ${(error as Error).message}`);
  }
  return (name) => pattern.test(name);
}

function unknownTarget(target: string, modules: readonly AdaptableModule[], config: BaseConfig): UserError {
  const names = lastParts(modules);
  const guess = nearest(target, names);
  return new UserError(
    `--lora-targets: "${target}" names no linear layer of a ${config.modelType}${guess ? `; did you mean ${guess}?` : ''}; there are ${names.join(', ')}, and ${ALL_LINEAR} for all`,
  );
}

function lastParts(modules: readonly AdaptableModule[]): string[] {
  return [...new Set(modules.map(({ name }) => name.slice(name.lastIndexOf('.') + 1)))];
}

/** `target_modules` of adapter_config.json: the shortest list of names that means these modules and no others. */
export function namesForModules(architecture: Architecture, config: BaseConfig, modules: readonly AdaptableModule[]): string[] {
  const short = lastParts(modules);
  const meant = targetModules(architecture, config, short);
  return (meant.length === modules.length ? short : modules.map(({ name }) => name)).sort();
}
