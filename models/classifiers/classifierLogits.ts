import * as tf from '@tensorflow/tfjs-core';
import { packedAttention } from '../../engine/ops/attention';
import { attentionIndex } from '../../engine/ops/attentionIndex';
import { checkRange, sequenceLayout } from '../packedForward';
import type { ForwardInput } from '../types';
import type { Classifier, ClassifierConfig } from './types';

/** Rows of the position table of a text's tokens. */
export function positionRows(ids: ArrayLike<number>, { positionOffset, uncountedToken }: ClassifierConfig): number[] {
  let place = 0;
  return Array.from(ids, (id) => (id === uncountedToken ? positionOffset - 1 : positionOffset + place++));
}

/**
 * Logits of the labels of S texts, [S, L]: the texts lie one behind the other, without padding.
 * @param sequences token ids with the special tokens around them, one at least
 * @throws UserError for a token id beyond the embedding or a text beyond the context
 */
export function classifierLogits(model: Classifier, sequences: readonly ArrayLike<number>[], tap?: ForwardInput['tap']): tf.Tensor2D {
  const lengths = sequences.map(({ length }) => length);
  const tokens = Int32Array.from(sequences.flatMap((ids) => Array.from(ids)));
  const { positions, layout } = sequenceLayout(lengths);
  checkRange(model, { tokens, positions });
  let start = 0;
  const firsts = lengths.map((length) => (start += length) - length);
  return tf.tidy(() => {
    const index = attentionIndex({ ...layout, bidirectional: true });
    const hidden = model.architecture.forward(model.weights, model.config, {
      tokens: tf.tensor1d(tokens, 'int32'),
      positions: tf.tensor1d(
        sequences.flatMap((ids) => positionRows(ids, model.config)),
        'int32',
      ),
      attend: (_layer, q, k, v, options) => packedAttention(q, k, v, index, options),
      ...(tap && { tap }),
    });
    return model.architecture.classify(model.weights, model.config, tf.gather(hidden, tf.tensor1d(firsts, 'int32')));
  });
}
