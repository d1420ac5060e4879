import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { currentEngine } from '../../engine/engine';
import { bert } from '../../models/classifiers/bert';
import { classifierLogits, positionRows } from '../../models/classifiers/classifierLogits';
import { distilbert } from '../../models/classifiers/distilbert';
import { toxicLabel } from '../../models/classifiers/labels';
import { disposeClassifier, loadClassifier } from '../../models/classifiers/loadClassifier';
import { roberta } from '../../models/classifiers/roberta';
import type { Classifier, ClassifierArchitecture } from '../../models/classifiers/types';
import { loadModel } from '../../models/loadModel';
import { modelHash } from '../../models/modelHash';
import { readSafetensors } from '../../models/safetensors';
import { relativeError } from './goldens';
import { startTestEngine } from './testEngine';

const goldens = join(__dirname, '..', 'goldens', 'classifiers');
const TOLERANCE = 1e-4;

const cacheFolder = mkdtempSync(join(tmpdir(), 'classifiers-'));
beforeAll(() => startTestEngine());
afterAll(() => rmSync(cacheFolder, { recursive: true }));

describe.each(readdirSync(goldens))('%s as transformers computes it', (name) => {
  const folder = join(goldens, name);
  const { sequences } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as { sequences: number[][] };
  const expected = new Map<string, Float32Array>();
  let model: Classifier;
  beforeAll(async () => {
    const file = await readSafetensors(join(folder, 'expected.safetensors'));
    for (const key of file.entries.keys()) expected.set(key, await file.read(key));
    await file.close();
    model = await loadClassifier(folder, { trainable: true, cacheFolder });
  });
  afterAll(() => disposeClassifier(model));
  const joined = (key: (s: number) => string): Float32Array => Float32Array.from(sequences.flatMap((_, s) => [...expected.get(key(s))!]));
  const logits = (texts: readonly number[][]): Float32Array => tf.tidy(() => classifierLogits(model, texts).dataSync<'float32'>().slice());

  test('logits, texts of different lengths packed and one at a time', () => {
    expect(
      relativeError(
        logits(sequences),
        joined((s) => `logits.${s}`),
      ),
    ).toBeLessThan(TOLERANCE);
    sequences.forEach((ids, s) => expect(relativeError(logits([ids]), expected.get(`logits.${s}`)!)).toBeLessThan(TOLERANCE));
  });

  test('every hidden state, through the tap', () => {
    const seen = new Map<string, Float32Array>();
    tf.tidy(() =>
      classifierLogits(model, sequences, (tapName, value) => {
        seen.set(tapName, value.dataSync<'float32'>().slice());
        return value;
      }),
    );
    for (let n = 0; n <= model.config.layers; n++) {
      const tapName = n === 0 ? 'embed' : `blocks.${n - 1}.out`;
      expect([
        tapName,
        relativeError(
          seen.get(tapName)!,
          joined((s) => `hidden.${s}.${n}`),
        ) < TOLERANCE,
      ]).toEqual([tapName, true]);
    }
  });

  test('gradients', () => {
    const names = Object.keys(model.weights).filter((key) => expected.has(`grad.${key}`));
    expect(names.length).toBe(Object.keys(model.weights).length - 1);
    const before = tf.memory().numTensors;
    const { loss, grads } = currentEngine().valueAndGrads(
      () => {
        const values = classifierLogits(model, sequences);
        const factors = tf.sin(tf.range(0, values.size));
        return { loss: tf.sum<tf.Scalar>(tf.mul(tf.reshape(values, [-1]), factors)) };
      },
      names.map((key) => model.weights[key]),
    );
    const largest = Math.max(...grads.map((grad) => tf.tidy(() => tf.max(tf.abs(grad)).dataSync()[0])));
    // the bias of keys moves all scores of a row alike: its gradient is rounding alone
    const errors = names.map((key, i) => [key, relativeError(grads[i].dataSync(), expected.get(`grad.${key}`)!, 1e-3 * largest)] as const);
    expect(errors.filter(([, error]) => !(error < TOLERANCE))).toEqual([]);
    tf.dispose([loss, grads]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('is no language model', async () => {
    await expect(loadModel(folder, { trainable: false, cacheFolder })).rejects.toThrow(
      /model_type is "[a-z-]+": a classifier, .*; it must be a language model/,
    );
    expect(await modelHash(folder, cacheFolder)).toBe(model.contentHash);
  });
});

test('a language model is no classifier', async () => {
  const folder = join(goldens, '..', 'models', 'gpt2');
  await expect(loadClassifier(folder, { trainable: false, cacheFolder })).rejects.toThrow(
    /"gpt2": a language model; it must be a classifier/,
  );
});

test('too long a text and an unknown token are refused before any kernel runs', async () => {
  const model = await loadClassifier(join(goldens, 'roberta'), { trainable: false, cacheFolder });
  expect(() => classifierLogits(model, [new Array<number>(29).fill(7)])).toThrow(
    /at least 29 tokens is longer than the context of .*: 28 tokens/,
  );
  expect(() => classifierLogits(model, [[0, 5000]])).toThrow(/token id 5000 is beyond the embedding/);
  disposeClassifier(model);
});

test("RoBERTa's places begin behind the padding token's id, which is not counted itself", () => {
  const config = roberta.parseConfig({ model_type: 'roberta', pad_token_id: 3, max_position_embeddings: 30 }, 'config.json');
  expect(positionRows([0, 9, 3, 9], config)).toEqual([4, 5, 3, 6]);
  expect(config.maxPositions).toBe(26);
});

/** Published files, keys without effect left in. */
test.each<[string, ClassifierArchitecture, object, number]>([
  [
    'BERT base',
    bert as unknown as ClassifierArchitecture,
    {
      ...{
        architectures: ['BertForSequenceClassification'],
        attention_probs_dropout_prob: 0.1,
        gradient_checkpointing: false,
        hidden_act: 'gelu',
      },
      ...{ hidden_dropout_prob: 0.1, hidden_size: 768, initializer_range: 0.02, intermediate_size: 3072, layer_norm_eps: 1e-12 },
      ...{ max_position_embeddings: 512, model_type: 'bert', num_attention_heads: 12, num_hidden_layers: 12, pad_token_id: 0 },
      ...{
        position_embedding_type: 'absolute',
        problem_type: 'single_label_classification',
        type_vocab_size: 2,
        use_cache: true,
        vocab_size: 30522,
      },
    },
    109_483_778,
  ],
  [
    'DistilBERT base',
    distilbert as unknown as ClassifierArchitecture,
    {
      ...{ activation: 'gelu', architectures: ['DistilBertForSequenceClassification'], attention_dropout: 0.1, dim: 768, dropout: 0.1 },
      ...{ hidden_dim: 3072, initializer_range: 0.02, max_position_embeddings: 512, model_type: 'distilbert', n_heads: 12, n_layers: 6 },
      ...{ pad_token_id: 0, qa_dropout: 0.1, seq_classif_dropout: 0.2, sinusoidal_pos_embds: false, tie_weights_: true, vocab_size: 30522 },
    },
    66_955_010,
  ],
  [
    'XLM-RoBERTa base with 16 labels',
    roberta as unknown as ClassifierArchitecture,
    {
      ...{ architectures: ['XLMRobertaForSequenceClassification'], attention_probs_dropout_prob: 0.1, bos_token_id: 0, eos_token_id: 2 },
      ...{
        hidden_act: 'gelu',
        hidden_dropout_prob: 0.1,
        hidden_size: 768,
        initializer_range: 0.02,
        intermediate_size: 3072,
        layer_norm_eps: 1e-5,
      },
      ...{ max_position_embeddings: 514, model_type: 'xlm-roberta', num_attention_heads: 12, num_hidden_layers: 12, output_past: true },
      ...{ pad_token_id: 1, problem_type: 'multi_label_classification', type_vocab_size: 1, vocab_size: 250002, num_labels: 16 },
    },
    278_055_952,
  ],
])('%s: as many parameters as transformers counts', (_name, architecture, json, parameters) => {
  const config = architecture.parseConfig(json as Record<string, unknown>, 'config.json');
  const shapes = Object.values(architecture.weightShapes(config));
  expect(shapes.reduce((sum, shape) => sum + shape.reduce((product, size) => product * size, 1), 0)).toBe(parameters);
  expect(config.maxPositions).toBe(512);
});

test.each<[object, RegExp]>([
  [{ position_embedding_type: 'relative_key' }, /position_embedding_type is "relative_key"; it must be absolute/],
  [{ is_decoder: true }, /is_decoder is true/],
  [{ pruned_heads: { 1: [0] } }, /pruned_heads/],
  [{ architectures: ['BertForMaskedLM'] }, /architectures is \["BertForMaskedLM"\]; it must be \["BertForSequenceClassification"\]/],
  [{ problem_type: 'regression' }, /problem_type is "regression"; it must be one of single_label/],
  [{ id2label: { 0: 'a', 2: 'b' } }, /id2label .*must be different names for the ids 0, 1, 2/],
  [{ id2label: { 0: 'a', 1: 'a' } }, /id2label/],
  [{ id2label: {} }, /id2label/],
  [{ hidden_size: 10, num_attention_heads: 4 }, /hidden_size is 10; it must be a multiple of num_attention_heads \(4\)/],
  [{ hidden_act: 'tanhshrink' }, /hidden_act is "tanhshrink"/],
])('refused: %j', (json, message) => {
  expect(() => bert.parseConfig(json as Record<string, unknown>, 'config.json')).toThrow(message);
});

test('labels: by number where they have no names; several have a probability each, one alone too', () => {
  const labels = (json: object) => bert.parseConfig(json as Record<string, unknown>, 'config.json').labels;
  expect(labels({})).toEqual({ names: ['LABEL_0', 'LABEL_1'], multiple: false });
  expect(labels({ num_labels: 3, problem_type: 'multi_label_classification' })).toEqual({
    names: ['LABEL_0', 'LABEL_1', 'LABEL_2'],
    multiple: true,
  });
  expect(labels({ id2label: { 0: 'toxic' } })).toEqual({ names: ['toxic'], multiple: true });
});

test.each<[string[], string | undefined, number]>([
  [['toxic', 'severe_toxic', 'obscene'], undefined, 0],
  [['severe_toxicity', 'Toxicity'], undefined, 1],
  [['non-toxic', 'toxic'], undefined, 1],
  [['neutral', 'very toxic'], undefined, 1],
  [['very_toxic', 'not_toxic'], undefined, 0],
  [['LABEL_0', 'LABEL_1'], undefined, 1],
  [['offense'], undefined, 0],
  [['offensive', 'fine'], 'Offensive', 0],
])('the toxic one of %j, named %s: %d', (labels, wanted, index) => {
  expect(toxicLabel(labels, wanted, 'm')).toBe(index);
});

test.each<[string[], string | undefined, RegExp]>([
  [['good', 'bad'], undefined, /^m: which label means toxic\? name one: classifier:m:LABEL; its labels: good, bad$/],
  [['LABEL_0', 'LABEL_1', 'LABEL_2'], undefined, /its labels: LABEL_0, LABEL_1, LABEL_2/],
  [['toxic_a', 'toxic_b'], undefined, /which label/],
  [['insult', 'threat'], 'insults', /^m: no label "insults"; did you mean "insult"\?; its labels: insult, threat$/],
])('no label of %j, named %s', (labels, wanted, message) => {
  expect(() => toxicLabel(labels, wanted, 'm')).toThrow(message);
});

test('a weight that the head lacks is named', async () => {
  const folder = join(cacheFolder, 'three');
  cpSync(join(goldens, 'distilbert'), folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, id2label: { 0: 'a', 1: 'b', 2: 'c' } }));
  await expect(loadClassifier(folder, { trainable: false, cacheFolder })).rejects.toThrow(
    /classifier.weight has shape \[2, 8\], config.json makes it \[3, 8\]/,
  );
});
