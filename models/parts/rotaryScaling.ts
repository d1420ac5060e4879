import * as tf from '@tensorflow/tfjs-core';
import { rotaryAngles } from '../../engine/ops/rotary';

/** How a model's rotary frequencies were stretched for a longer context, by the name that Hugging Face's configs give it. */
export type RotaryScaling =
  | { type: 'default' }
  /** Positions divided by the factor (arXiv 2306.15595). */
  | { type: 'linear'; factor: number }
  /** A base that grows with the sequence, beyond the length that the model was trained on (NTK-aware). */
  | { type: 'dynamic'; factor: number; trainedPositions: number }
  /** arXiv 2309.00071; `attentionFactor` multiplies cosines and sines. */
  | {
      type: 'yarn';
      factor: number;
      trainedPositions: number;
      attentionFactor: number;
      betaFast: number;
      betaSlow: number;
      /** Whether the bounds of the ramp are whole dimensions. */
      truncate: boolean;
    }
  /** Llama 3.1's: long waves divided by the factor, short ones kept, a ramp between. */
  | { type: 'llama3'; factor: number; trainedPositions: number; lowFrequencyFactor: number; highFrequencyFactor: number };

/** Rotary position embedding as a config describes it. */
export interface Rotary {
  base: number;
  /** How many of a head's values turn: all, or its first part. Odd ones are rounded up to the next pair. */
  width: number;
  scaling: RotaryScaling;
}

/** Cosines and sines, each [T, pairs]. */
export interface Angles {
  cos: tf.Tensor2D;
  sin: tf.Tensor2D;
}

/**
 * Inverse frequencies, one for each pair of values, as transformers' modeling_rope_utils computes them.
 * @param length of the sequence, for `dynamic`
 */
export function scaledFrequencies({ base, width, scaling }: Rotary, length = 0): Float32Array {
  const pairs = Math.ceil(width / 2);
  const plain = (from: number): number[] => Array.from({ length: pairs }, (_, i) => 1 / from ** ((2 * i) / width));
  const frequencies = plain(base);
  switch (scaling.type) {
    case 'default':
      return Float32Array.from(frequencies);
    case 'linear':
      return Float32Array.from(frequencies, (frequency) => frequency / scaling.factor);
    case 'dynamic': {
      const { factor, trainedPositions } = scaling;
      const stretch = (factor * Math.max(length, trainedPositions)) / trainedPositions - (factor - 1);
      return Float32Array.from(plain(base * stretch ** (width / (width - 2))));
    }
    case 'yarn': {
      const { factor, trainedPositions, betaFast, betaSlow, truncate } = scaling;
      // the dimension whose wave turns so often within the trained length
      const dimension = (turns: number): number => (width * Math.log(trainedPositions / (turns * 2 * Math.PI))) / (2 * Math.log(base));
      const [fast, slow] = [dimension(betaFast), dimension(betaSlow)];
      const low = Math.max(truncate ? Math.floor(fast) : fast, 0);
      const high = Math.min(truncate ? Math.ceil(slow) : slow, width - 1);
      const span = high === low ? 0.001 : high - low;
      return Float32Array.from(frequencies, (frequency, i) => {
        const interpolated = Math.min(1, Math.max(0, (i - low) / span));
        return (frequency / factor) * interpolated + frequency * (1 - interpolated);
      });
    }
    case 'llama3': {
      const { factor, trainedPositions, lowFrequencyFactor: low, highFrequencyFactor: high } = scaling;
      return Float32Array.from(frequencies, (frequency) => {
        const turns = (trainedPositions * frequency) / (2 * Math.PI);
        if (turns < low) return frequency / factor;
        if (turns > high) return frequency;
        const kept = (turns - low) / (high - low);
        return ((1 - kept) * frequency) / factor + kept * frequency;
      });
    }
  }
}

/**
 * The cosines and sines of a batch. `dynamic` scaling reads the positions back from the device: it alone depends on lengths.
 * @param positions int32 [T]
 */
export function scaledAngles(rotary: Rotary, positions: tf.Tensor1D): Angles {
  const { scaling } = rotary;
  if (scaling.type === 'dynamic') return dynamicAngles(rotary, positions.dataSync<'int32'>());
  const { cos, sin } = rotaryAngles(positions, scaledFrequencies(rotary));
  if (scaling.type !== 'yarn' || scaling.attentionFactor === 1) return { cos, sin };
  return { cos: tf.mul(cos, scaling.attentionFactor), sin: tf.mul(sin, scaling.attentionFactor) };
}

/** Each sequence's rows turn with the frequencies of its own length, whatever it is packed with. */
function dynamicAngles(rotary: Rotary, positions: Int32Array): Angles {
  const pairs = Math.ceil(rotary.width / 2);
  const angles = new Float32Array(positions.length * pairs);
  const byLength = new Map<number, Float32Array>();
  sequenceLengths(positions).forEach((length, row) => {
    const frequencies = byLength.get(length) ?? scaledFrequencies(rotary, length);
    byLength.set(length, frequencies);
    for (let i = 0; i < pairs; i++) angles[row * pairs + i] = positions[row] * frequencies[i];
  });
  const table = tf.tensor2d(angles, [positions.length, pairs]);
  return { cos: tf.cos(table), sin: tf.sin(table) };
}

/**
 * The length of each row's sequence. A packed batch's sequences start at position 0, and a pair's completions share their prompt's
 * rows: the longer of the two counts for both. In a decoding step, where nothing is at 0, each row is a sequence of its own.
 */
function sequenceLengths(positions: Int32Array): Int32Array {
  const lengths = positions.map((position) => position + 1);
  if (!positions.includes(0)) return lengths;
  for (let start = 0, end = 0; start < lengths.length; start = end) {
    let longest = 0;
    for (end = start; end < lengths.length && (end === start || positions[end] > 0); end++) longest = Math.max(longest, lengths[end]);
    lengths.fill(longest, start, end);
  }
  return lengths;
}
