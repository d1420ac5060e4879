import * as tf from '@tensorflow/tfjs-core';
import { adamWUpdate, rmsPropUpdate } from '../engine/ops/updates';

export type OptimizerName = 'rmsprop' | 'adamw';

/** One tensor of an optimizer's state, as a checkpoint stores it: `squares.<weight>`, `firsts.<weight>`, … */
export interface StateTensor {
  name: string;
  shape: readonly number[];
  /** Read when its turn to be written comes, so that one tensor at a time is in memory. */
  values: () => Float32Array;
}

/** Where a resumed run finds the state's tensors: an open safetensors file. */
export interface StateReader {
  read(name: string): Promise<Float32Array>;
}

export interface UpdateOptions {
  learningRate: number;
  /** Gradients are divided by this (clipping). */
  gradientDivisor: number;
  /** 1 for the run's first update. */
  step: number;
}

/** Changes weights in place; its state is float32 whatever the engine's precision. */
export interface Optimizer {
  update(grads: readonly tf.Tensor[], options: UpdateOptions): void;
  /** Its state, to be written to a checkpoint and read by the `createOptimizer` of a resumed run. */
  state(): StateTensor[];
  dispose(): void;
}

/** The constants are PyTorch's defaults; the weight decay is TRL's. */
const RMSPROP = { decay: 0.99, epsilon: 1e-8 };
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/**
 * An optimizer over named weights: `torch.optim.RMSprop` or `torch.optim.AdamW`.
 * @param restored a checkpoint's state; zeros without one
 * @throws UserError when a tensor of the checkpoint's state is missing or damaged
 */
export async function createOptimizer(
  name: OptimizerName,
  weights: Readonly<Record<string, tf.Variable>>,
  restored?: StateReader,
): Promise<Optimizer> {
  const variables = Object.values(weights);
  const state: Record<string, tf.Variable[]> = {};
  for (const kind of name === 'rmsprop' ? ['squares'] : ['firsts', 'seconds']) {
    state[kind] = [];
    for (const [weight, { shape }] of Object.entries(weights)) {
      const values = await restored?.read(`${kind}.${weight}`);
      state[kind].push(tf.tidy(() => tf.variable(values ? tf.tensor(values, shape, 'float32') : tf.zeros(shape), false)));
    }
  }
  const { squares, firsts, seconds } = state;
  const names = Object.keys(weights);
  return {
    update: (grads, options) =>
      name === 'rmsprop'
        ? rmsPropUpdate(variables, grads, squares, { ...RMSPROP, ...options })
        : adamWUpdate(variables, grads, firsts, seconds, { ...ADAMW, ...options }),
    state: () =>
      Object.entries(state).flatMap(([kind, tensors]) =>
        tensors.map((tensor, i) => ({
          name: `${kind}.${names[i]}`,
          shape: tensor.shape,
          values: () => tensor.dataSync<'float32'>().slice(),
        })),
      ),
    dispose: () => tf.dispose(state),
  };
}
