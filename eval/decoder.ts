import * as tf from '@tensorflow/tfjs-core';
import { withAlibi } from '../engine/ops/alibi';
import { cacheWrite, packedAttention } from '../engine/ops/attention';
import { attentionIndex, MASKED } from '../engine/ops/attentionIndex';
import { disposeRowGroups, rowGroups, sharedPrefixAttention, type RowGroups } from '../engine/ops/sharedPrefixAttention';
import { sequenceLayout } from '../models/packedForward';
import type { Attend, Model } from '../models/types';

/*
 * R rows (continuations) of P prompts. The rows of a prompt share its keys and values, L places of them, filled from the left; places
 * between a short prompt's end and L stay masked. Each row has C places of its own, one for each new token.
 */

/** Keys and values of the prompts and rows under way. */
export interface DecoderCache {
  /** A layer each, [P, Hk, L, D]. */
  prefixKeys: tf.Tensor4D[];
  prefixValues: tf.Tensor4D[];
  /** A layer each, [R, Hk, C, D]. */
  keys: tf.Tensor4D[];
  values: tf.Tensor4D[];
  /** Tokens of each prompt, [P]. */
  lengths: number[];
  /** The prompt of each row, [R]. */
  sources: number[];
  groups: RowGroups;
  /** L */
  prefix: number;
  /** New tokens written so far. */
  written: number;
  /** C */
  room: number;
  /** Masks over the prompts, as they were last used, by window. */
  masks: Map<number, PrefixMask>;
}

interface PrefixMask {
  /** The first position that each prompt's rows see, [P]. */
  firstSeen: readonly number[];
  mask: tf.Tensor4D;
}

/**
 * Computes prompts once, packed without padding.
 * @param sources the prompt of each row, [R]
 * @param room new tokens that the cache has places for
 * @returns the hidden states [P, D] of the prompts' last tokens, and the cache; the caller frees both
 */
export function prefill(
  model: Model,
  prompts: readonly Int32Array[],
  sources: readonly number[],
  room: number,
): { hidden: tf.Tensor2D; cache: DecoderCache } {
  const lengths = prompts.map((prompt) => prompt.length);
  const prefix = Math.max(...lengths);
  const cache: DecoderCache = {
    prefixKeys: [],
    prefixValues: [],
    keys: [],
    values: [],
    lengths,
    sources: [...sources],
    groups: rowGroups(sources, prompts.length),
    prefix,
    written: 0,
    room,
    masks: new Map(),
  };
  const { positions, layout } = sequenceLayout(lengths);
  const tokens = new Int32Array(layout.rows);
  const starts: number[] = [];
  for (let p = 0, start = 0; p < prompts.length; start += lengths[p++]) {
    tokens.set(prompts[p], start);
    starts.push(start);
  }
  const places = new Int32Array(prompts.length * prefix);
  // places past a prompt's end repeat its last token: anything finite, they are masked
  lengths.forEach((length, p) => {
    for (let i = 0; i < prefix; i++) places[p * prefix + i] = starts[p] + Math.min(i, length - 1);
  });
  try {
    const hidden = tf.tidy(() => {
      const index = attentionIndex(layout, model.config);
      const gathered = tf.tensor1d(places, 'int32');
      const split = (x: tf.Tensor3D): tf.Tensor4D => {
        const rows = tf.reshape(tf.gather(x, gathered), [prompts.length, prefix, x.shape[1], x.shape[2]]);
        return tf.keep(tf.transpose(rows, [0, 2, 1, 3]) as tf.Tensor4D);
      };
      const attend: Attend = (layer, q, k, v, options) => {
        [cache.prefixKeys[layer], cache.prefixValues[layer]] = [split(k), split(v)];
        if (room > 0)
          for (const caches of [cache.keys, cache.values]) {
            // zeros of the keys' own precision
            const zeros = tf.zerosLike(tf.slice(cache.prefixKeys[layer], [0, 0, 0, 0], [1, -1, 1, -1]));
            caches[layer] = tf.keep(tf.tile(zeros, [sources.length, 1, room, 1]));
          }
        return packedAttention(q, k, v, index, options);
      };
      const all = model.architecture.forward(model.weights, model.config, {
        tokens: tf.tensor1d(tokens, 'int32'),
        positions: tf.tensor1d(positions, 'int32'),
        attend,
      });
      const last = starts.map((start, p) => start + lengths[p] - 1);
      return tf.gather(all, tf.tensor1d(last, 'int32'));
    });
    return { hidden, cache };
  } catch (error) {
    disposeCache(cache);
    throw error;
  }
}

/**
 * Feeds one token a row.
 * @param tokens [R]
 * @returns hidden states [R, D]; the caller frees them
 */
export function decodeStep(model: Model, cache: DecoderCache, tokens: readonly number[]): tf.Tensor2D {
  const place = cache.written;
  if (place >= cache.room) throw new Error(`internal: the cache has ${cache.room} places, all of them written`);
  const { alibiSlopes, windows } = model.config;
  return tf.tidy(() => {
    const seen = new Map(
      [0, ...windows].map((window) => {
        const first = window > 0 ? Math.max(0, place - window + 1) : 0;
        const bias = alibiSlopes && suffixBias(first, place, alibiSlopes);
        return [window, { mask: prefixMask(cache, window, alibiSlopes), first, end: place + 1, bias }];
      }),
    );
    const write = (caches: tf.Tensor4D[], layer: number, entry: tf.Tensor3D): tf.Tensor4D => {
      const before = caches[layer];
      const after = cacheWrite(before, place, entry);
      if (after !== before) {
        caches[layer] = tf.keep(after);
        before.dispose();
      }
      return caches[layer];
    };
    const attend: Attend = (layer, q, k, v, options) => {
      const { mask, ...places } = seen.get(options.window ?? 0)!;
      const prefix = { keys: cache.prefixKeys[layer], values: cache.prefixValues[layer], mask };
      const suffix = { keys: write(cache.keys, layer, k), values: write(cache.values, layer, v), ...places };
      return sharedPrefixAttention(q, prefix, suffix, cache.groups, options);
    };
    const hidden = model.architecture.forward(model.weights, model.config, {
      tokens: tf.tensor1d(Int32Array.from(tokens), 'int32'),
      positions: tf.tensor1d(
        cache.sources.map((prompt) => cache.lengths[prompt] + place),
        'int32',
      ),
      attend,
    });
    cache.written++;
    return hidden;
  });
}

/**
 * What the rows of each prompt see of it, the token now being fed standing behind the `written` ones before it: all, or what the window
 * (0: none) leaves; ALiBi's biases. It is made anew where it is not the last step's.
 */
function prefixMask(cache: DecoderCache, window: number, alibiSlopes?: readonly number[]): tf.Tensor4D {
  const { lengths, prefix, written, masks } = cache;
  const firstSeen = lengths.map((length) => (window > 0 ? Math.min(length, Math.max(0, length + written - window + 1)) : 0));
  const last = masks.get(window);
  if (last && !alibiSlopes && firstSeen.every((first, p) => first === last.firstSeen[p])) return last.mask;
  const values = new Float32Array(lengths.length * prefix).fill(MASKED);
  lengths.forEach((length, p) => values.fill(0, p * prefix + firstSeen[p], p * prefix + length));
  const shape: [number, number, number, number] = [lengths.length, 1, 1, prefix];
  const mask = tf.tidy(() => {
    const plain = tf.tensor4d(values, shape);
    if (!alibiSlopes) return plain;
    const distances = new Float32Array(values.length);
    lengths.forEach((length, p) => {
      for (let i = 0; i < length; i++) distances[p * prefix + i] = i - length - written;
    });
    return withAlibi(plain, tf.tensor4d(distances, shape), alibiSlopes);
  });
  last?.mask.dispose();
  masks.set(window, { firstSeen, mask: tf.keep(mask) });
  return mask;
}

/** ALiBi's bias on a row's own tokens from `first` to the one now being fed, at `place`: [1, H, 1, place + 1 - first]. */
function suffixBias(first: number, place: number, alibiSlopes: readonly number[]): tf.Tensor4D {
  const count = place + 1 - first;
  const distances = Float32Array.from({ length: count }, (_, i) => first + i - place);
  return withAlibi(tf.zeros([1, 1, 1, count]), tf.tensor4d(distances, [1, 1, 1, count]), alibiSlopes);
}

/** Goes on with these rows alone, and with the prompts that they continue. */
export function keepRows(cache: DecoderCache, rows: readonly number[]): void {
  const sources = rows.map((row) => cache.sources[row]);
  const prompts = [...new Set(sources)].sort((a, b) => a - b);
  keepPlaces([cache.keys, cache.values], rows);
  if (prompts.length < cache.lengths.length) {
    keepPlaces([cache.prefixKeys, cache.prefixValues], prompts);
    forgetMasks(cache);
    cache.lengths = prompts.map((prompt) => cache.lengths[prompt]);
  }
  const renamed = new Map(prompts.map((prompt, i) => [prompt, i]));
  cache.sources = sources.map((prompt) => renamed.get(prompt)!);
  disposeRowGroups(cache.groups);
  cache.groups = rowGroups(cache.sources, prompts.length);
}

/** Keeps some places of the caches' first axis. */
function keepPlaces(sides: readonly tf.Tensor4D[][], places: readonly number[]): void {
  tf.tidy(() => {
    const kept = tf.tensor1d([...places], 'int32');
    for (const caches of sides)
      caches.forEach((before, layer) => {
        caches[layer] = tf.keep(tf.gather(before, kept));
        before.dispose();
      });
  });
}

function forgetMasks({ masks }: DecoderCache): void {
  for (const { mask } of masks.values()) mask.dispose();
  masks.clear();
}

/** Frees the cache. */
export function disposeCache(cache: DecoderCache): void {
  forgetMasks(cache);
  disposeRowGroups(cache.groups);
  tf.dispose([...cache.prefixKeys, ...cache.prefixValues, ...cache.keys, ...cache.values]);
}
