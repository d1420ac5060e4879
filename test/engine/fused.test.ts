import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../../engine/engine';
import { activation, gated } from '../../engine/ops/activations';
import { type AttentionOptions, cacheWrite, packedAttention } from '../../engine/ops/attention';
import { type AttentionLayout, attentionIndex, disposeAttentionIndex } from '../../engine/ops/attentionIndex';
import { addDora } from '../../engine/ops/dora';
import { addLowRank, conv1d, embedding, linear } from '../../engine/ops/linear';
import { layerNorm, rmsNorm } from '../../engine/ops/norms';
import { rotary, rotaryAngles } from '../../engine/ops/rotary';
import { chunkedLogProbs, selectedLogProbs } from '../../engine/ops/tokenLogProbs';
import { accumulateGradients, adamUpdate, globalNorm, rmsPropUpdate, sgdUpdate, type UpdateOptions } from '../../engine/ops/updates';
import { type Case, type Engines, type Input, drawn, expectEqual, live, onEachEngine, runCase, switchTo } from './conformance';

function normal(...shape: number[]): Input {
  return { kind: 'normal', shape };
}

function ids(...values: number[]): Input {
  return { kind: 'int', shape: [values.length], values };
}

/** A prompt of three rows shared by two completions, and a sequence of its own. */
const layout: AttentionLayout = {
  rows: 9,
  queryRows: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8),
  queryLengths: Int32Array.of(3, 2, 1, 3),
  keyRows: Int32Array.of(0, 1, 2, 0, 1, 2, 3, 4, 0, 1, 2, 5, 6, 7, 8),
  keyLengths: Int32Array.of(3, 5, 4, 3),
};

/** A fused operation, once as the engine runs it and once by its plain definition. */
interface FusedCase {
  name: string;
  inputs: Input[];
  fused: Case['run'];
  plain: Case['run'];
  gradient?: Case['gradient'];
}

function attentionCase(
  name: string,
  heads: number,
  shared: number,
  options: Omit<AttentionOptions, 'scale'>,
  bidirectional = false,
): FusedCase {
  return both(`packedAttention ${name}`, [normal(9, heads, 4), normal(9, shared, 4), normal(9, shared, 4)], (plain) => (q, k, v) => {
    const index = attentionIndex(
      { ...layout, ...(bidirectional && { bidirectional }) },
      { windows: options.window ? [options.window] : [], ...(options.alibiSlopes && { alibiSlopes: options.alibiSlopes }) },
    );
    return pick(packedAttention, plain)(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, index, { scale: 0.5, ...options });
  });
}

function both(name: string, inputs: Input[], run: (plain: boolean) => Case['run']): FusedCase {
  return { name, inputs, fused: run(false), plain: run(true) };
}

const pick = <F extends { plain: unknown }>(operation: F, plain: boolean): F => (plain ? (operation.plain as F) : operation);
const angles = (): ReturnType<typeof rotaryAngles> => rotaryAngles(tf.tensor1d([0, 1, 5, 300, 2], 'int32'), Float32Array.of(1, 0.1));

const cases: FusedCase[] = [
  both('layerNorm', [normal(5, 8), normal(8), normal(8)], (plain) => (x, w, b) => pick(layerNorm, plain)(x, w, b, 1e-5)),
  ...([0, 1] as const).flatMap((offset) => [
    both(`rmsNorm ${offset}`, [normal(5, 8), normal(8)], (plain) => (x, w) => pick(rmsNorm, plain)(x, w, 1e-6, offset)),
    both(`rmsNorm ${offset} of heads`, [normal(5, 2, 8), normal(8)], (plain) => (x, w) => pick(rmsNorm, plain)(x, w, 1e-6, offset)),
  ]),
  ...(['gelu', 'gelu_tanh', 'silu', 'relu'] as const).flatMap((name) => [
    both(`activation ${name}`, [normal(3, 7)], (plain) => (x) => pick(activation, plain)(x, name)),
    both(`gated ${name}`, [normal(3, 7), normal(3, 7)], (plain) => (gate, up) => pick(gated, plain)(gate, up, name)),
  ]),
  both('linear', [normal(5, 3), normal(4, 3)], (plain) => (x, w) => pick(linear, plain)(x as tf.Tensor2D, w)),
  both('linear with bias', [normal(5, 3), normal(4, 3), normal(4)], (plain) => (x, w, b) => pick(linear, plain)(x as tf.Tensor2D, w, b)),
  both('conv1d', [normal(5, 3), normal(3, 4), normal(4)], (plain) => (x, w, b) => pick(conv1d, plain)(x as tf.Tensor2D, w, b)),
  both(
    'addLowRank',
    [normal(5, 4), normal(5, 3), normal(2, 3), normal(4, 2)],
    (plain) => (output, x, a, b) => pick(addLowRank, plain)(output as tf.Tensor2D, x as tf.Tensor2D, a, b, 1.7),
  ),
  both(
    'addDora',
    [normal(5, 4), normal(5, 4), normal(5, 4), normal(4), { kind: 'positive', shape: [4] }],
    (plain) => (output, base, lowRank, m, n) =>
      pick(addDora, plain)(output as tf.Tensor2D, base as tf.Tensor2D, lowRank as tf.Tensor2D, m, n as tf.Tensor1D, 1.7),
  ),
  both('embedding', [ids(2, 0, 2, 5), normal(6, 3)], (plain) => (i, table) => pick(embedding, plain)(i as tf.Tensor1D, table)),
  both('rotary', [normal(5, 2, 4)], (plain) => (x) => {
    const { cos, sin } = angles();
    return pick(rotary, plain)(x as tf.Tensor3D, cos, sin);
  }),
  both(
    'selectedLogProbs',
    [normal(4, 6), ids(5, 0, 0, 3)],
    (plain) => (values, targets) => pick(selectedLogProbs, plain)(values as tf.Tensor2D, targets as tf.Tensor1D),
  ),
  ...[{}, { scale: 0.25 }, { softcap: 3 }].flatMap((options) =>
    [8, 3].map((rows) =>
      both(
        `chunkedLogProbs ${JSON.stringify(options)}, ${rows} rows a chunk`,
        [normal(7, 4), normal(6, 4), ids(5, 0, 0, 3, 1, 2, 2)],
        (plain) => (hidden, head, targets) =>
          pick(chunkedLogProbs, plain)(hidden as tf.Tensor2D, head as tf.Tensor2D, targets as tf.Tensor1D, options, rows),
      ),
    ),
  ),
  attentionCase('one key head a query head', 2, 2, {}),
  attentionCase('four query heads share a key head', 4, 1, {}),
  attentionCase('two query heads share a key head', 4, 2, {}),
  attentionCase('window 2', 2, 1, { window: 2 }),
  attentionCase('window beyond the sequences', 2, 1, { window: 100 }),
  attentionCase('soft cap', 2, 1, { softcap: 1.5 }),
  attentionCase('soft cap and window', 2, 2, { softcap: 1.5, window: 2 }),
  attentionCase('bidirectional, four query heads share a key head', 4, 1, {}, true),
  attentionCase('ALiBi', 2, 2, { alibiSlopes: [0.5, 0.125] }),
  attentionCase('ALiBi, window, two query heads share a key head', 4, 2, { alibiSlopes: [0.5, 0.25, 0.125, 2], window: 2 }),
];

/** The kernel equals the plain definition on the engine, values and gradients, which equals itself on tfjs's slow backend. */
async function expectSameFused(
  engines: Engines,
  { gradient, ...item }: Omit<Case, 'run'>,
  fused: Case['run'],
  plain: Case['run'],
): Promise<void> {
  const onEngine = await runCase(engines.tested, { ...item, run: plain });
  expectEqual(await runCase(engines.tested, { ...item, run: fused }), onEngine);
  const onCpu = await runCase(engines.cpu, { ...item, run: plain, gradient });
  expectEqual(gradient === 'none' ? { ...onEngine, grads: [] } : onEngine, onCpu);
}

onEachEngine((engines) => {
  test.each(cases.map((item) => [item.name, item] as const))('%s', async (_, { fused, plain, ...item }) => {
    const before = live();
    await expectSameFused(engines, item, fused, plain);
    // the comparison ends on tfjs's backend
    await switchTo(engines.tested);
    expect(live()).toEqual(before);
  });

  test('an attention index frees all that it made', async () => {
    const before = live();
    disposeAttentionIndex(attentionIndex(layout, { windows: [2, 100] }));
    expect(live()).toEqual(before);
  });

  describe('with a cache', () => {
    test('cacheWrite changes one place alone', async () => {
      const before = live();
      const written = async (engine: Engine, write: typeof cacheWrite.plain): Promise<ArrayLike<number>> => {
        await switchTo(engine);
        return tf.tidy(() => {
          const cache = tf.tensor4d(drawn(normal(2, 2, 3, 2), 'cache', 0), [2, 2, 3, 2]);
          const entry = tf.tensor3d(drawn(normal(2, 2, 2), 'entry', 0), [2, 2, 2]);
          return write(cache, 1, entry).dataSync();
        });
      };
      const expected = Array.from(await written(engines.cpu, cacheWrite.plain));
      expect(Array.from(await written(engines.tested, cacheWrite))).toEqual(expected);
      expect(live()).toEqual(before);
    });
  });

  describe('updates', () => {
    const shapes = [[3, 4], [5], []];

    const zeros = (engine: Engine): tf.Variable[] =>
      shapes.map((shape) => engine.parameter(new Float32Array(tf.util.sizeFromShape(shape)), shape, false));

    /** Updates by optimizer, on weights and two sets of state. */
    const updates = {
      rmsProp: (w: tf.Variable[], g: tf.Tensor[], a: tf.Variable[], b: tf.Variable[], common: UpdateOptions, momentum: number) =>
        rmsPropUpdate(w, g, a, momentum === 0 ? [] : b, { ...common, decay: 0.99, epsilon: 1e-8, momentum }),
      sgd: (w: tf.Variable[], g: tf.Tensor[], _: tf.Variable[], b: tf.Variable[], common: UpdateOptions, momentum: number) =>
        sgdUpdate(w, g, momentum === 0 ? [] : b, { ...common, momentum }),
      adam: (w: tf.Variable[], g: tf.Tensor[], a: tf.Variable[], b: tf.Variable[], common: UpdateOptions, _: number, step: number) =>
        adamUpdate(w, g, a, b, { ...common, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decoupled: false, step }),
      adamW: (w: tf.Variable[], g: tf.Tensor[], a: tf.Variable[], b: tf.Variable[], common: UpdateOptions, _: number, step: number) =>
        adamUpdate(w, g, a, b, { ...common, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decoupled: true, step }),
    };

    /** Three steps on an engine, then one whose gradients have no finite norm; the weights and state after them. */
    async function trained(engine: Engine, name: keyof typeof updates, weightDecay: number, momentum: number, maxNorm: number) {
      await switchTo(engine);
      const weights = shapes.map((shape, i) => engine.parameter(Float32Array.from(drawn(normal(...shape), 'weight', i)), shape, true));
      const [first, second] = [zeros(engine), zeros(engine)];
      const all = [...weights, ...first, ...second];
      const values = (): number[][] => all.map((variable) => Array.from(engine.readParameter(variable)));
      const step = (count: number, factor: number): void =>
        tf.tidy(() => {
          const grads = shapes.map((shape, i) =>
            tf.mul(tf.tensor(drawn(normal(...shape), `gradient ${count}`, i), shape, 'float32'), factor),
          );
          const common = { learningRate: 0.01, weightDecay, norm: globalNorm(grads), maxNorm };
          updates[name](weights, grads, first, second, common, momentum, count);
        });
      for (let count = 1; count <= 3; count++) step(count, 1);
      const result = values();
      for (const factor of [NaN, Infinity]) step(4, factor);
      expect(values()).toEqual(result);
      tf.dispose(all);
      return result;
    }

    test.each(
      (Object.keys(updates) as (keyof typeof updates)[]).flatMap((name) =>
        [
          { weightDecay: 0, momentum: 0, maxNorm: 100 },
          { weightDecay: 0.1, momentum: 0, maxNorm: 0.7 },
          { weightDecay: 0.1, momentum: 0.8, maxNorm: 0.7 },
        ].map((options) => ({ name, ...options })),
      ),
    )('$name, weight decay $weightDecay, momentum $momentum, clipped at $maxNorm', async ({ name, weightDecay, momentum, maxNorm }) => {
      const before = live();
      const expected = await trained(engines.cpu, name, weightDecay, momentum, maxNorm);
      const actual = await trained(engines.tested, name, weightDecay, momentum, maxNorm);
      expected.forEach((values, i) => values.forEach((value, j) => expect(actual[i][j]).toBeCloseTo(value, 5)));
      expect(live()).toEqual(before);
    });

    test('accumulateGradients is the scaled sum, and frees what it replaces', async () => {
      for (const engine of [engines.tested, engines.cpu]) {
        await switchTo(engine);
        const before = live();
        const mean = tf.tidy(() => {
          const first = accumulateGradients(undefined, [tf.tensor1d([1, 2]), tf.scalar(6)], 1 / 2);
          const second = accumulateGradients(first, [tf.tensor1d([3, -4]), tf.scalar(1)], 1 / 2);
          return second.map((sum) => Array.from(sum.dataSync()));
        });
        expect(mean).toEqual([[2, -1], [3.5]]);
        expect(live()).toEqual(before);
      }
    });

    test('globalNorm is the norm over all gradients together', async () => {
      await switchTo(engines.tested);
      const before = live();
      tf.tidy(() => {
        const norm = globalNorm([tf.tensor1d([1, 2]), tf.scalar(-2), tf.tensor2d([[4]])]);
        expect(norm.shape).toEqual([]);
        expect(norm.dataSync()[0]).toBeCloseTo(5, 6);
      });
      expect(live()).toEqual(before);
    });
  });
});
