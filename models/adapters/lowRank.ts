import * as tf from '@tensorflow/tfjs-core';
import type { LoraModule } from './types';

/** The matrices of a module's addition: a [R, I], b [O, R]. Call it inside `tf.tidy`: a tied head's are made of its embedding's. */
export function lowRank({ a, b, isTied }: Pick<LoraModule, 'a' | 'b' | 'isTied'>): { a: tf.Tensor2D; b: tf.Tensor2D } {
  const [first, second] = [a, b] as tf.Tensor[] as tf.Tensor2D[];
  return isTied ? { a: tf.transpose(first), b: tf.transpose(second) } : { a: first, b: second };
}
