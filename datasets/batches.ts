import { permutation, randomStream, seedFrom } from '../util/random';

/**
 * The pairs of each batch of one epoch, as indices: a seeded shuffle, cut in order. The last batch holds what is left, as in TRL.
 * The same seed and epoch give the same batches on every machine, so that a resumed run meets the data where it stopped.
 */
export function batchOrder(count: number, batchSize: number, seed: number, epoch: number): number[][] {
  const order = permutation(count, randomStream(seedFrom('batch order', seed, epoch)));
  return Array.from({ length: Math.ceil(count / batchSize) }, (_, i) => order.slice(i * batchSize, (i + 1) * batchSize));
}
