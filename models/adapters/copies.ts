import type * as tf from '@tensorflow/tfjs-core';
import type { Architecture, BaseConfig, Model, Weights } from '../types';
import { embeddingAndHead } from './adaptableModules';
import type { Adapter, LoraModule } from './types';

/** Whether an adapter on this model makes something else of its embedding than of the head that is tied to it. */
export function unties(
  architecture: Architecture,
  config: BaseConfig,
  { modules, copies, tied }: { modules: readonly Pick<LoraModule, 'name' | 'scale' | 'magnitude'>[] } & Pick<Adapter, 'copies' | 'tied'>,
): boolean {
  if (!config.tiedHead) return false;
  const { embedding, head } = embeddingAndHead(architecture, config);
  if (tied) {
    const [first, second] = [embedding, head].map((name) => modules.find((module) => module.name === name));
    return second !== undefined && (second.magnitude !== undefined || second.scale !== first?.scale);
  }
  return [embedding, head].some((name) => modules.some((module) => module.name === name) || `${name}.weight` in copies);
}

/**
 * Weights and config of a model with an adapter's full copies in place of its own weights. A head that is tied stays what it was where the
 * embedding is copied, and the other way round, as in PEFT.
 */
export function withCopies(
  { architecture, config, weights }: Model,
  { copies, tied }: Pick<Adapter, 'copies' | 'tied'>,
): Pick<Model, 'config' | 'weights'> {
  const replaced: Weights = { ...weights, ...copies };
  if (!unties(architecture, config, { modules: [], copies, ...(tied && { tied }) })) return { config, weights: replaced };
  const { embedding, head } = embeddingAndHead(architecture, config);
  const own = copies[`${head}.weight`] ?? weights[`${embedding}.weight`];
  return { config: { ...config, tiedHead: false }, weights: { ...replaced, [`${head}.weight`]: own } };
}

/** The weight that a module's addition is made to: a tied head's is the embedding's. */
export function moduleWeight({ architecture, config, weights }: Model, name: string): tf.Tensor {
  return weights[`${name}.weight`] ?? architecture.head(weights, config).weight;
}
