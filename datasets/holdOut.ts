import { permutation, randomStream, seedFrom } from '../util/random';

/** Places in a list of pairs, each in ascending order. */
export interface HeldOut {
  train: number[];
  heldOut: number[];
}

/**
 * Draws a seeded share of pairs to evaluate on, rounded up as `train_test_split` of Hugging Face's datasets rounds its `test_size`. The
 * same count, fraction and seed give the same pairs on every machine.
 * @param fraction between 0 and 1
 */
export function holdOut(count: number, fraction: number, seed: number): HeldOut {
  const order = permutation(count, randomStream(seedFrom('held-out pairs', seed)));
  const size = Math.ceil(fraction * count);
  const ascending = (places: number[]): number[] => places.sort((a, b) => a - b);
  return { train: ascending(order.slice(size)), heldOut: ascending(order.slice(0, size)) };
}
