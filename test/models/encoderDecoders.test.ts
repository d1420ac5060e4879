import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { logits } from '../../engine/ops/tokenLogProbs';
import { conditionalLogLikelihoods } from '../../eval/conditionalFluency';
import { conditionalHidden } from '../../models/encoderDecoders/conditionalHidden';
import { disposeEncoderDecoder, loadEncoderDecoder } from '../../models/encoderDecoders/loadEncoderDecoder';
import { positionBucket } from '../../models/encoderDecoders/positionBuckets';
import { t5 } from '../../models/encoderDecoders/t5';
import type { EncoderDecoder } from '../../models/encoderDecoders/types';
import { loadModel } from '../../models/loadModel';
import { modelHash } from '../../models/modelHash';
import { readSafetensors } from '../../models/safetensors';
import { relativeError } from './goldens';
import { startTestEngine } from './testEngine';

const goldens = join(__dirname, '..', 'goldens', 'encoderDecoders');
const TOLERANCE = 1e-4;

interface Pair {
  read: number[];
  written: number[];
  logLikelihood: number;
}

const cacheFolder = mkdtempSync(join(tmpdir(), 't5-'));
beforeAll(() => startTestEngine());
afterAll(() => rmSync(cacheFolder, { recursive: true }));

describe.each(['t5', 't5-old-names', 'mt5'])('%s as transformers computes it', (name) => {
  const folder = join(goldens, name);
  const pairs = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Pair[];
  const prompts = pairs.map(({ read }) => Int32Array.from(read));
  const continuations = pairs.map(({ written }) => Int32Array.from(written));
  const expected = new Map<string, Float32Array>();
  let model: EncoderDecoder;
  beforeAll(async () => {
    const file = await readSafetensors(join(folder, 'expected.safetensors'));
    for (const key of file.entries.keys()) expected.set(key, await file.read(key));
    await file.close();
    model = await loadEncoderDecoder(folder, { cacheFolder });
  });
  afterAll(() => disposeEncoderDecoder(model));

  test('logits of each pair', () => {
    const before = tf.memory().numTensors;
    for (const p of [0, 1, 3]) {
      const values = tf.tidy(() => {
        const { weight, options } = model.architecture.head(model.weights, model.config);
        return logits(conditionalHidden(model, [prompts[p]], [continuations[p]], [0]), weight, options)
          .dataSync<'float32'>()
          .slice();
      });
      expect(relativeError(values, expected.get(`logits.${p}`)!)).toBeLessThan(TOLERANCE);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test('every hidden state of both halves, all pairs packed', () => {
    const seen = new Map<string, Float32Array>();
    const tap = (tapName: string, value: tf.Tensor2D): void => void seen.set(tapName, value.dataSync<'float32'>().slice());
    tf.tidy(() => conditionalHidden(model, prompts, continuations, [0, 1, 2, 3], tap));
    for (const [half, layers] of Object.entries({ encoder: model.config.layers, decoder: model.config.decoderLayers }))
      for (let n = 0; n <= layers; n++) {
        const tapName = `${half}.${n === 0 ? 'embed' : n === layers ? 'norm' : `blocks.${n - 1}.out`}`;
        const values = Float32Array.from(pairs.flatMap((_, p) => [...expected.get(`${half}.${p}.${n}`)!]));
        expect([tapName, relativeError(seen.get(tapName)!, values) < TOLERANCE]).toEqual([tapName, true]);
      }
  });

  test('log-likelihoods, in batches of any size; prompts that are equal are read once', async () => {
    const twice = <T>(list: readonly T[]): T[] => [...list, ...list];
    for (const rows of [1, 30, 1000]) {
      const before = tf.memory().numTensors;
      const found = await conditionalLogLikelihoods(
        model,
        [...twice(prompts), prompts[0]],
        [...twice(continuations), new Int32Array(0)],
        rows,
      );
      expect(tf.memory().numTensors).toBe(before);
      expect(found.pop()).toBeNull();
      found.forEach((value, i) => expect(value).toBeCloseTo(twice(pairs)[i].logLikelihood, 4));
    }
  });

  test('is no language model', async () => {
    await expect(loadModel(folder, { trainable: false, cacheFolder })).rejects.toThrow(
      /: an encoder-decoder, .*; it must be a language model/,
    );
    expect(await modelHash(folder, cacheFolder)).toBe(model.contentHash);
  });
});

test('a token beyond the embedding is refused, the last one written too', async () => {
  const model = await loadEncoderDecoder(join(goldens, 't5'), { cacheFolder });
  const run = (read: number, written: number) => () => conditionalHidden(model, [Int32Array.of(read)], [Int32Array.of(written)], [0]);
  expect(run(1504, 5)).toThrow(/token id 1504 is beyond the embedding/);
  expect(run(5, 1504)).toThrow(/token id 1504 is beyond the embedding/);
  disposeEncoderDecoder(model);
});

test('buckets of distances as transformers has them', () => {
  const tables = JSON.parse(readFileSync(join(goldens, 'buckets.json'), 'utf8')) as {
    buckets: number;
    longest: number;
    bidirectional: boolean;
    expected: number[];
  }[];
  for (const { expected, ...options } of tables) expect(expected.map((_, i) => positionBucket(i - 200, options))).toEqual(expected);
});

const parse = (json: object) => t5.parseConfig({ model_type: 't5', ...json }, 'config.json');

test("scale and activation: T5's, 1.1's, mT5's, and as transformers 5 writes 1.1's", () => {
  const facts = (json: object) => {
    const { outputScale, activation, isGated, tiedHead } = parse({ d_model: 16, ...json });
    return [outputScale, activation, isGated, tiedHead];
  };
  expect(facts({})).toEqual([0.25, 'relu', false, true]);
  expect(facts({ feed_forward_proj: 'gated-gelu', tie_word_embeddings: false })).toEqual([1, 'gelu_tanh', true, false]);
  expect(facts({ feed_forward_proj: 'gated-gelu', tie_word_embeddings: true, scale_decoder_outputs: false })).toEqual([
    1,
    'gelu_tanh',
    true,
    true,
  ]);
  expect(facts({ model_type: 'mt5', tie_word_embeddings: true })).toEqual([1, 'gelu_tanh', true, true]);
  expect(facts({ feed_forward_proj: 'gelu' })).toEqual([0.25, 'gelu', false, true]);
});

/** Published files, keys without effect left in. */
test.each<[string, object, number]>([
  [
    't5-small',
    {
      ...{
        architectures: ['T5ForConditionalGeneration'],
        d_ff: 2048,
        d_kv: 64,
        d_model: 512,
        decoder_start_token_id: 0,
        dropout_rate: 0.1,
      },
      ...{
        eos_token_id: 1,
        initializer_factor: 1.0,
        is_encoder_decoder: true,
        layer_norm_epsilon: 1e-6,
        model_type: 't5',
        n_positions: 512,
      },
      ...{ num_heads: 8, num_layers: 6, output_past: true, pad_token_id: 0, relative_attention_num_buckets: 32, vocab_size: 32128 },
      task_specific_params: {
        translation_en_to_de: { early_stopping: true, max_length: 300, num_beams: 4, prefix: 'translate English to German: ' },
      },
    },
    60_506_624,
  ],
  [
    'mt5-small',
    {
      ...{
        architectures: ['MT5ForConditionalGeneration'],
        d_ff: 1024,
        d_kv: 64,
        d_model: 512,
        decoder_start_token_id: 0,
        dropout_rate: 0.1,
      },
      ...{ eos_token_id: 1, feed_forward_proj: 'gated-gelu', initializer_factor: 1.0, is_encoder_decoder: true, layer_norm_epsilon: 1e-6 },
      ...{ model_type: 'mt5', num_decoder_layers: 8, num_heads: 6, num_layers: 8, pad_token_id: 0, relative_attention_num_buckets: 32 },
      ...{ tie_word_embeddings: false, tokenizer_class: 'T5Tokenizer', use_cache: true, vocab_size: 250112 },
    },
    300_176_768,
  ],
])('%s: as many parameters as transformers counts', (_name, json, parameters) => {
  const shapes = Object.values(t5.weightShapes(parse(json)));
  expect(shapes.reduce((sum, shape) => sum + shape.reduce((product, size) => product * size, 1), 0)).toBe(parameters);
});

test.each<[object, RegExp]>([
  [{ feed_forward_proj: 'gated-tanhshrink' }, /feed_forward_proj is "tanhshrink"/],
  [{ feed_forward_proj: 'open-gelu' }, /feed_forward_proj is "open-gelu"; it must be an activation, or gated- and an activation/],
  [{ architectures: ['T5EncoderModel'] }, /architectures is \["T5EncoderModel"\]; it must be \["T5ForConditionalGeneration"\]/],
  [{ is_encoder_decoder: false }, /is_encoder_decoder is false; it must be true/],
  [{ is_decoder: true }, /is_decoder is true/],
  [{ tie_encoder_decoder: true }, /tie_encoder_decoder is true/],
  [{ relative_attention_num_buckets: 6 }, /relative_attention_num_buckets is 6; it must be a multiple of 4/],
  [{ relative_attention_max_distance: 16 }, /relative_attention_max_distance is 16; it must be more than half of the buckets \(16\)/],
  [{ decoder_start_token_id: 99999 }, /decoder_start_token_id is 99999; it must be a token id below 32128/],
])('refused: %j', (json, message) => {
  expect(() => parse(json)).toThrow(message);
});
