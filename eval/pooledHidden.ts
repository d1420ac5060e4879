import * as tf from '@tensorflow/tfjs-core';
import { packedHidden, sequenceLayout } from '../models/packedForward';
import type { TextTokenizer } from '../models/tokenizer';
import type { Model } from '../models/types';
import { silent, type Progress } from '../util/progress';
import { lengthBatches } from './lengthBatches';

/** Rows of one packed batch, unless a single sequence is longer. */
const ROWS_AT_ONCE = 2048;

/** The beginning-of-sequence token that texts start with, or where a tokenizer adds none the end-of-sequence token, which parts texts too. */
export function startToken(tokenizer: TextTokenizer): number {
  return tokenizer.bosId ?? tokenizer.eosId;
}

/**
 * Token ids of texts, each with the start token in front.
 * @param longest tokens kept of each, the start token included
 */
export function textSequences(tokenizer: TextTokenizer, texts: readonly string[], longest: number): Int32Array[] {
  const start = startToken(tokenizer);
  return texts.map((text) => Int32Array.from([start, ...tokenizer.encode(text)].slice(0, longest)));
}

/** Ends a forward pass after the last layer that is wanted. */
class Finished extends Error {}

/**
 * Hidden states of sequences, the mean over their tokens after the first: the first is the start token, on which models park
 * attention, with a norm many times the others' (14 times in Gemma 3 270M) that would drown them.
 * Layers count as transformers' `hidden_states` do: 0 is the embeddings, n the residual stream after block n, and the last one
 * (the model's number of layers) is taken after the final norm. The forward pass ends at the last layer asked for.
 * @param sequences token ids, the start token first
 * @param layers which layers, ascending
 * @returns for each layer [N, D] row by row; NaN for a sequence without a token after the first
 */
export async function pooledHidden(
  model: Model,
  sequences: readonly Int32Array[],
  layers: readonly number[],
  progress: Progress = silent,
  stage = 'hidden states',
  rowsAtOnce = ROWS_AT_ONCE,
): Promise<Float32Array[]> {
  const { width } = model.config;
  const pooled = layers.map(() => new Float32Array(sequences.length * width).fill(NaN));
  const lengths = sequences.map(({ length }) => length);
  const total = lengths.filter((length) => length > 1).length;
  let done = 0;
  progress({ stage, done, total });
  for (const batch of lengthBatches(lengths, 2, rowsAtOnce)) {
    const sums = layerSums(
      model,
      batch.map((i) => sequences[i]),
      layers,
    );
    const values = await Promise.all(sums.map((sum) => sum.data<'float32'>()));
    tf.dispose(sums);
    batch.forEach((sequence, row) => {
      const count = sequences[sequence].length - 1;
      values.forEach((value, layer) => {
        for (let i = 0; i < width; i++) pooled[layer][sequence * width + i] = value[row * width + i] / count;
      });
    });
    done += batch.length;
    progress({ stage, done, total });
  }
  return pooled;
}

/** Sums over the tokens after the first, [S, D] for each layer. */
function layerSums(model: Model, sequences: readonly Int32Array[], layers: readonly number[]): tf.Tensor2D[] {
  const lengths = sequences.map((sequence) => sequence.length);
  const { positions, layout } = sequenceLayout(lengths);
  const tokens = new Int32Array(layout.rows);
  const membership = new Float32Array(sequences.length * layout.rows);
  let row = 0;
  sequences.forEach((sequence, s) => {
    tokens.set(sequence, row);
    membership.fill(1, s * layout.rows + row + 1, s * layout.rows + row + sequence.length);
    row += sequence.length;
  });
  const last = Math.max(...layers);
  const found = new Map<number, tf.Tensor2D>();
  tf.tidy(() => {
    const members = tf.tensor2d(membership, [sequences.length, layout.rows]);
    const tap = (name: string, value: tf.Tensor2D): tf.Tensor2D => {
      const layer = tappedLayer(name, model.config.layers);
      if (layer !== undefined && layers.includes(layer)) found.set(layer, tf.keep(tf.matMul(members, value)));
      if (layer === last) throw new Finished();
      return value;
    };
    try {
      packedHidden(model, { tokens, positions, layout }, tap);
    } catch (error) {
      if (!(error instanceof Finished)) throw error;
    }
  });
  return layers.map((layer) => {
    const sum = found.get(layer);
    if (!sum) throw new Error(`internal: no hidden state of layer ${layer}; the model has ${model.config.layers} layers`);
    return sum;
  });
}

/** Which of transformers' `hidden_states` a tap's name stands for. */
function tappedLayer(name: string, layers: number): number | undefined {
  if (name === 'embed') return 0;
  if (name === 'norm') return layers;
  const block = /^blocks\.(\d+)\.out$/.exec(name);
  const layer = block ? Number(block[1]) + 1 : layers;
  return layer < layers ? layer : undefined;
}
