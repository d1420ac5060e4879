import { UserError } from '../../util/errors';
import { nearest } from '../../util/suggest';
import type { Architecture, BaseConfig } from '../types';

/** A module that a low-rank addition can be made to. */
export interface AdaptableModule {
  /** The module's name: its weight's without `.weight`. */
  name: string;
  inputs: number;
  outputs: number;
  /** An embedding is a linear layer whose inputs are the tokens, one of them 1 and the others 0. */
  kind: 'linear' | 'embedding';
  /** The weight is stored [inputs, outputs]: an embedding's, GPT-2's `Conv1D`. */
  inputFirst: boolean;
}

/** Every target that means all linear layers but the head, as in PEFT. */
export const ALL_LINEAR = 'all-linear';

const TOKENS = /(^|\.)(wte|embed_tokens|embed_in|word_embeddings)$/;
const POSITIONS = /(^|\.)(wpe|embed_positions)$/;
const HEAD = /(^|\.)(lm_head|embed_out)$/;
const NORM = /norm$/;

/** The linear layers of a model, without its embeddings and head, in the model's order. */
export function linearModules(architecture: Architecture, config: BaseConfig): AdaptableModule[] {
  return adaptableModules(architecture, config).filter(({ name, kind }) => kind === 'linear' && !HEAD.test(name));
}

/** Every module that LoRA can go on: the linear layers, the embeddings, and the head, also where that is the embedding. */
export function adaptableModules(architecture: Architecture, config: BaseConfig): AdaptableModule[] {
  return Object.entries(untiedShapes(architecture, config)).flatMap(([weight, shape]): AdaptableModule[] => {
    const name = weight.replace(/\.weight$/, '');
    // a norm with a scale for each head (Cohere's q_norm) has two dimensions too
    if (name === weight || shape.length !== 2 || NORM.test(name)) return [];
    const kind = TOKENS.test(name) || POSITIONS.test(name) ? 'embedding' : 'linear';
    const inputFirst = kind === 'embedding' || (architecture.inputFirst === true && !HEAD.test(name));
    const [outputs, inputs] = inputFirst ? [shape[1], shape[0]] : shape;
    return [{ name, inputs, outputs, kind, inputFirst }];
  });
}

/** The weights that a model has once its head is a weight of its own. */
export const untiedShapes = (architecture: Architecture, config: BaseConfig): Readonly<Record<string, readonly number[]>> =>
  architecture.weightShapes({ ...config, tiedHead: false });

/** The names of a model's token embedding and of its head, which has one also where it is the embedding. */
export function embeddingAndHead(architecture: Architecture, config: BaseConfig): { embedding: string; head: string } {
  const names = adaptableModules(architecture, config).map(({ name }) => name);
  return { embedding: names.find((name) => TOKENS.test(name))!, head: names.find((name) => HEAD.test(name))! };
}

/**
 * The modules that targets name. A plain name means every module whose name ends in it, part by part; anything else is a regular
 * expression for whole names; `all-linear` means every linear layer but the head. Embeddings and head are there where they are named. As in PEFT.
 * @throws UserError for a target that names no module, listing the names there are
 */
export function targetModules(architecture: Architecture, config: BaseConfig, targets: readonly string[]): AdaptableModule[] {
  const modules = adaptableModules(architecture, config);
  const chosen = new Set<string>();
  for (const target of targets) {
    const matches = target === ALL_LINEAR ? undefined : matcher(target);
    const found = matches ? modules.filter(({ name }) => matches(name)) : linearModules(architecture, config);
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
    `--lora-targets: "${target}" names no module of a ${config.modelType}${guess ? `; did you mean ${guess}?` : ''}; there are ${names.join(', ')}, and ${ALL_LINEAR} for every linear layer but the head`,
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
