import * as tf from '@tensorflow/tfjs-core';
import { adamUpdate, rmsPropUpdate, sgdUpdate, type UpdateOptions } from '../engine/ops/updates';
import type { RunConfig } from './runConfig';

/** Which optimizer, and its constants. */
export type OptimizerOptions = Pick<RunConfig, 'optimizer' | 'momentum' | 'weightDecay' | 'adamBeta1' | 'adamBeta2' | 'adamEpsilon'>;

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

/** Where an update stands in the run. */
export type UpdateStep = Omit<UpdateOptions, 'weightDecay'> & {
  /** 1 for the run's first update. */
  step: number;
};

/** Changes weights in place; its state is float32 whatever the engine's precision. */
export interface Optimizer {
  /** Clips and applies the gradients; where their norm is not finite, nothing changes. */
  update(grads: readonly tf.Tensor[], step: UpdateStep): void;
  /** Its state, to be written to a checkpoint and read by the `createOptimizer` of a resumed run. */
  state(): StateTensor[];
  dispose(): void;
}

/** PyTorch's constants, which TRL leaves as they are. */
const RMSPROP = { decay: 0.99, epsilon: 1e-8 };

/** The kinds of state that an optimizer keeps of every weight, by their names in checkpoints. */
export function stateKinds({ optimizer, momentum }: Pick<OptimizerOptions, 'optimizer' | 'momentum'>): string[] {
  if (optimizer === 'adam' || optimizer === 'adamw') return ['firsts', 'seconds'];
  return [...(optimizer === 'rmsprop' ? ['squares'] : []), ...(momentum === 0 ? [] : ['momenta'])];
}

/**
 * An optimizer over named weights, as torch.optim has it: RMSprop, AdamW, Adam or SGD. As in transformers' Trainer, weight decay spares
 * biases and the weights of norms: all tensors of one dimension.
 * @param restored a checkpoint's state; zeros without one
 * @throws UserError when a tensor of the checkpoint's state is missing or damaged
 */
export async function createOptimizer(
  options: OptimizerOptions,
  weights: Readonly<Record<string, tf.Variable>>,
  restored?: StateReader,
): Promise<Optimizer> {
  const { optimizer, momentum, weightDecay } = options;
  const variables = Object.values(weights);
  const state: Record<string, tf.Variable[]> = {};
  for (const kind of stateKinds(options)) {
    state[kind] = [];
    for (const [weight, { shape }] of Object.entries(weights)) {
      const values = await restored?.read(`${kind}.${weight}`);
      state[kind].push(tf.tidy(() => tf.variable(values ? tf.tensor(values, shape, 'float32') : tf.zeros(shape), false)));
    }
  }
  const names = Object.keys(weights);
  const places = variables.map((_, i) => i);
  const groups = [
    { decay: weightDecay, members: places.filter((i) => weightDecay !== 0 && variables[i].rank > 1) },
    { decay: 0, members: places.filter((i) => weightDecay === 0 || variables[i].rank <= 1) },
  ].filter(({ members }) => members.length > 0);

  const updateGroup = (members: readonly number[], grads: readonly tf.Tensor[], step: UpdateStep & UpdateOptions): void => {
    const of = <T>(list: readonly T[] | undefined): T[] => (list ? members.map((i) => list[i]) : []);
    const [own, gradients] = [of(variables), of(grads)];
    if (optimizer === 'rmsprop') rmsPropUpdate(own, gradients, of(state.squares), of(state.momenta), { ...RMSPROP, momentum, ...step });
    else if (optimizer === 'sgd') sgdUpdate(own, gradients, of(state.momenta), { momentum, ...step });
    else {
      const constants = { beta1: options.adamBeta1, beta2: options.adamBeta2, epsilon: options.adamEpsilon };
      adamUpdate(own, gradients, of(state.firsts), of(state.seconds), { ...constants, decoupled: optimizer === 'adamw', ...step });
    }
  };
  return {
    update: (grads, step) => groups.forEach(({ decay, members }) => updateGroup(members, grads, { ...step, weightDecay: decay })),
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
