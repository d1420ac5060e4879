import * as tf from '@tensorflow/tfjs-core';

type Operation = (...args: never[]) => unknown;

const kernels = new Map<string, Map<string, Operation>>();

/**
 * Declares a fused operation: `plain`, written in tfjs ops, is its specification and runs wherever the current backend has
 * no kernel of its own for `name`.
 */
export function fused<A extends unknown[], R>(name: string, plain: (...args: A) => R): ((...args: A) => R) & { plain: (...args: A) => R } {
  const dispatch = (...args: A): R => {
    const kernel = kernels.get(tf.getBackend())?.get(name) as ((...args: A) => R) | undefined;
    return kernel ? kernel(...args) : plain(...args);
  };
  return Object.assign(dispatch, { plain });
}

/** Gives a backend its own kernels for fused operations, by name. Registering a name twice is a bug of ours. */
export function registerFused(backend: string, table: Readonly<Record<string, Operation>>): void {
  const known = kernels.get(backend) ?? new Map<string, Operation>();
  kernels.set(backend, known);
  for (const [name, kernel] of Object.entries(table)) {
    if (known.has(name)) throw new Error(`internal: fused operation ${name} is registered twice for ${backend}`);
    known.set(name, kernel);
  }
}
