import type * as tf from '@tensorflow/tfjs-core';
import { addLowRank } from '../../engine/ops/linear';
import { patchWeight, unpatchWeight } from '../../engine/ops/weightPatches';
import type { Model } from '../types';
import { dropped } from './adapterDropout';
import type { Adapter } from './types';

/** The model with an adapter on its weights, which stay as they are. `disposeModel` frees both. */
export function attachAdapter(model: Model, adapter: Adapter): Model {
  for (const { name, a, b, scale } of adapter.modules) {
    patchWeight(model.weights[`${name}.weight`], {
      linear: (x, output) => addLowRank(output, dropped(x, name, adapter.dropout), a, b, scale),
    });
  }
  return { ...model, adapter };
}

/** Takes a model's adapter off and frees it; the model's own weights stay. */
export function detachAdapter(model: Model): Model {
  const { adapter, ...base } = model;
  if (!adapter) return model;
  for (const { name } of adapter.modules) unpatchWeight(model.weights[`${name}.weight`]);
  Object.values(adapter.weights).forEach((weight) => weight.dispose());
  return base;
}

/** What training changes: the adapter's weights where the model has one, else all of its own. */
export function trainedWeights(model: Model): Readonly<Record<string, tf.Variable>> {
  return model.adapter?.weights ?? model.weights;
}
