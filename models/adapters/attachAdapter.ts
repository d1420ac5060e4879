import * as tf from '@tensorflow/tfjs-core';
import { addDora, mergedNorms } from '../../engine/ops/dora';
import { addLowRank, bareProduct } from '../../engine/ops/linear';
import { patchWeight, unpatchWeight } from '../../engine/ops/weightPatches';
import type { Model } from '../types';
import { dropped } from './adapterDropout';
import { moduleWeight, withCopies } from './copies';
import { lowRank } from './lowRank';
import type { Adapter, AdapterDropout, LoraModule } from './types';

/** The model with an adapter on its weights, which stay as they are. `disposeModel` frees both. */
export function attachAdapter(model: Model, adapter: Adapter): Model {
  const { config, weights } = model;
  const attached = { ...model, ...withCopies(model, adapter), adapter, bare: { config, weights } };
  for (const module of adapter.modules) {
    const weight = moduleWeight(attached, module.name);
    if (module.kind === 'embedding') patchWeight(weight, { embedding: (ids, rows) => embedded(module, weight, ids, rows) });
    else patchWeight(weight, { linear: (x, output, bias) => added(module, weight, adapter.dropout, x, output, bias) });
  }
  return attached;
}

function added(
  module: LoraModule,
  weight: tf.Tensor,
  dropout: AdapterDropout,
  x: tf.Tensor2D,
  output: tf.Tensor2D,
  bias: tf.Tensor | undefined,
): tf.Tensor2D {
  const { scale, magnitude, inputFirst } = module;
  const { a, b } = lowRank(module);
  const seen = dropped(x, module.name, dropout);
  if (!magnitude) return addLowRank(output, seen, a, b, scale);
  const bare = bias ? tf.sub<tf.Tensor2D>(output, bias) : output;
  const base = seen === x ? bare : bareProduct(seen, weight, inputFirst);
  return withMagnitude(module, magnitude, weight, bareProduct(seen, a, false), output, base);
}

/** An embedding's rows with the addition to them; PEFT has no dropout here. @param ids int32 [T]  @param rows [T, D] */
function embedded(module: LoraModule, weight: tf.Tensor, ids: tf.Tensor1D, rows: tf.Tensor2D): tf.Tensor2D {
  const { a, b, scale, magnitude } = module;
  const low = tf.transpose(tf.gather(a as tf.Tensor as tf.Tensor2D, ids, 1)) as tf.Tensor2D;
  if (!magnitude) return tf.add(rows, tf.mul(bareProduct(low, b, false), scale));
  return withMagnitude(module, magnitude, weight, low, rows, rows);
}

/** DoRA. @param low [T, R]: x · Aᵀ  @param bare x times the weight */
function withMagnitude(
  module: LoraModule,
  magnitude: tf.Variable,
  weight: tf.Tensor,
  low: tf.Tensor2D,
  output: tf.Tensor2D,
  bare: tf.Tensor2D,
): tf.Tensor2D {
  const { scale, inputFirst } = module;
  const { a, b } = lowRank(module);
  return addDora(output, bare, bareProduct(low, b, false), magnitude, mergedNorms(weight, a, b, scale, inputFirst), scale);
}

/** Takes a model's adapter off and frees it; the model's own weights stay. */
export function detachAdapter(model: Model): Model {
  const { adapter, bare, ...base } = model;
  if (!adapter) return model;
  for (const { name } of adapter.modules) unpatchWeight(moduleWeight(model, name));
  Object.values(adapter.weights).forEach((weight) => weight.dispose());
  return { ...base, ...bare };
}

/** What training changes: the adapter's weights where the model has one, else all of its own. */
export function trainedWeights(model: Model): Readonly<Record<string, tf.Variable>> {
  return model.adapter?.weights ?? model.weights;
}
