import * as tf from '@tensorflow/tfjs-core';
import type { TextTokenizer } from '../models/tokenizer';
import type { Model } from '../models/types';
import { silent, type Progress } from '../util/progress';
import type { ParallelSentences } from './parallel';
import { pooledHidden, textSequences } from './pooledHidden';
import type { RetrievalFigures } from './types';

/**
 * Bilingual sentence retrieval with English, as Li, Yong and Bach 2024 (arXiv 2406.16235, section 5) measure it: each sentence is the
 * mean of its tokens' hidden states (see `pooledHidden`); a sentence is found where its translation is nearest by cosine among all
 * sentences of the other language. For every layer, 0 being the embeddings: precision at 1, the mean of both directions, and the
 * mean cosine of the pairs.
 * @returns figures for every language but English
 */
export async function retrievalTask(
  model: Model,
  tokenizer: TextTokenizer,
  { languages }: ParallelSentences,
  progress: Progress = silent,
): Promise<Record<string, RetrievalFigures>> {
  const { width, maxPositions } = model.config;
  const layers = Array.from({ length: model.config.layers + 1 }, (_, layer) => layer);
  const total = Object.values(languages).reduce((sum, sentences) => sum + sentences.length, 0);
  let done = 0;
  const embed = async (language: string): Promise<Float32Array[]> => {
    const sequences = textSequences(tokenizer, languages[language], maxPositions);
    const within: Progress = ({ done: here }) => progress({ stage: 'retrieval', done: done + here, total, fields: { language } });
    const pooled = await pooledHidden(model, sequences, layers, within);
    done += sequences.length;
    return pooled.map((rows) => unitRows(rows, width));
  };
  const english = await embed('en');
  const figures: Record<string, RetrievalFigures> = {};
  for (const language of Object.keys(languages).filter((name) => name !== 'en')) {
    const foreign = await embed(language);
    const byLayer = [];
    for (const layer of layers) byLayer.push(await layerFigures(english[layer], foreign[layer], languages.en.length));
    figures[language] = summarise(byLayer);
  }
  return figures;
}

interface LayerFigures {
  precisionAt1: number;
  cosine: number;
}

function summarise(layers: readonly LayerFigures[]): RetrievalFigures {
  const precisionAt1 = layers.map((layer) => layer.precisionAt1);
  const best = Math.max(...precisionAt1);
  return {
    precisionAt1,
    cosine: layers.map((layer) => layer.cosine),
    best,
    bestLayer: precisionAt1.indexOf(best),
    mean: precisionAt1.reduce((sum, value) => sum + value, 0) / precisionAt1.length,
  };
}

/**
 * Retrieval of n paired rows. The first of several equally near sentences is the one that is found.
 * @param a unit rows [n, D]  @param b unit rows [n, D]
 */
export async function layerFigures(a: Float32Array, b: Float32Array, n: number): Promise<LayerFigures> {
  const cosines = tf.tidy(() => tf.matMul(tf.tensor2d(a, [n, a.length / n]), tf.tensor2d(b, [n, b.length / n]), false, true));
  const values = await cosines.data<'float32'>();
  cosines.dispose();
  let found = 0;
  let paired = 0;
  for (let i = 0; i < n; i++) {
    let forward = 0;
    let backward = 0;
    for (let j = 1; j < n; j++) {
      if (values[i * n + j] > values[i * n + forward]) forward = j;
      if (values[j * n + i] > values[backward * n + i]) backward = j;
    }
    found += Number(forward === i) + Number(backward === i);
    paired += values[i * n + i];
  }
  return { precisionAt1: found / (2 * n), cosine: paired / n };
}

/** Rows divided by their length; a row of NaN (no token) or zeros becomes zeros: near nothing. */
export function unitRows(rows: Float32Array, width: number): Float32Array {
  const result = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += width) {
    let square = 0;
    for (let i = start; i < start + width; i++) square += rows[i] * rows[i];
    if (!(square > 0)) continue;
    const scale = 1 / Math.sqrt(square);
    for (let i = start; i < start + width; i++) result[i] = rows[i] * scale;
  }
  return result;
}
