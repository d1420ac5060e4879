import * as tf from '@tensorflow/tfjs-core';
import { type Engine, type EngineName, useEngine } from '../../engine/engine';
import { startEngine } from '../../engine/startEngine';
import { missingTensorflow } from '../../engine/tensorflow/build';
import { torch } from '../../engine/torch/binding';
import { randomStream, seedFrom } from '../../util/random';

/**
 * What an input holds: `normal` in (-2, 2), `positive` in (0.2, 2), `unit` in (-0.9, 0.9), `above1` in (1.1, 3); `spaced` in
 * (-2, 2) with no value nearer than 1/16 to one of the case's other input, so that differences do not step over a kink.
 */
export type Kind = 'normal' | 'positive' | 'unit' | 'above1' | 'spaced' | 'int' | 'bool';

export interface Input {
  kind: Kind;
  shape: readonly number[];
  /** Instead of drawn values. */
  values?: readonly number[];
}

export interface Case {
  name: string;
  inputs: readonly Input[];
  run: (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
  /**
   * What the gradients of floating outputs with respect to floating inputs are compared with: tfjs's tape, or central differences
   * on tfjs's `cpu` backend, where the tape has no gradient for a kernel or a wrong one. (Wrong: broadcast inputs of maximum,
   * minimum, squaredDifference and matMul; cumsum along any axis but the last.) `none`: not taken on any engine.
   */
  gradient?: 'tape' | 'differences' | 'none';
}

export interface Result {
  outputs: { shape: number[]; dtype: string; values: number[] }[];
  grads: number[][];
}

const ranges: Readonly<Record<Kind, readonly [number, number]>> = {
  normal: [-2, 2],
  positive: [0.2, 2],
  unit: [-0.9, 0.9],
  above1: [1.1, 3],
  spaced: [-2, 2],
  int: [-5, 6],
  bool: [0, 2],
};

/** The values of a case's input number `place`: the same for any engine. */
export function drawn({ kind, shape, values }: Input, name: string, place: number): number[] {
  if (values) return [...values];
  const random = randomStream(seedFrom(name, place));
  const [low, high] = ranges[kind];
  return Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => {
    const value = low + (high - low) * random();
    if (kind === 'spaced') return Math.floor(value * 8) / 8 + place / 16;
    return kind === 'int' || kind === 'bool' ? Math.floor(value) : value;
  });
}

/** The engines that are compared with the slow truth, and why one cannot be here. */
const tested: readonly { name: EngineName; missing?: string }[] = [
  { name: 'torch' },
  { name: 'tensorflow', ...absent() },
  { name: 'wasm' },
];

/** Set up on request alone. */
function absent(): { missing?: string } {
  const missing = missingTensorflow();
  return missing === undefined ? {} : { missing };
}

export interface Engines {
  /** tfjs's `cpu` backend: the slow truth. */
  cpu: Engine;
  /** The engine under test, on the CPU in float32. */
  tested: Engine;
}

/** Declares `tests` once for each engine; where one is not set up, its name among the skipped tests says why. */
export function onEachEngine(tests: (engines: Engines) => void): void {
  for (const { name, missing } of tested) {
    (missing === undefined ? describe : describe.skip)(missing === undefined ? name : `${name} (${missing})`, () => {
      const engines = {} as Engines;
      beforeAll(async () => {
        engines.cpu = await startEngine({ engine: 'tfjs', device: 'cpu', precision: 'float32' });
        engines.tested = await startEngine({ engine: name, device: 'cpu', precision: 'float32' });
      });
      beforeEach(() => switchTo(engines.tested));
      tests(engines);
    });
  }
}

/** Makes an engine, started before, the one in use. */
export async function switchTo(engine: Engine): Promise<void> {
  useEngine(engine);
  await tf.setBackend(engine.name === 'tfjs' ? 'cpu' : engine.name);
}

/** The cotangent that makes a scalar of an output: fixed weights, all different. */
function weighted(output: tf.Tensor, place: number): tf.Scalar {
  const weights = Array.from({ length: output.size }, (_, i) => Math.cos(1 + i + 7 * place));
  return tf.sum(tf.mul(output, tf.tensor(weights, output.shape, 'float32')));
}

/** Runs a case on an engine. @returns its outputs, and the gradients of a weighted sum of its floating outputs */
export async function runCase(engine: Engine, { name, inputs, run, gradient }: Case): Promise<Result> {
  await switchTo(engine);
  const tensors = inputs.map((input, i) => {
    const values = drawn(input, name, i);
    if (isFloating(input)) return engine.parameter(Float32Array.from(values), input.shape, true);
    return tf.tensor(values, [...input.shape], input.kind === 'bool' ? 'bool' : 'int32');
  });
  const outputs = tf.tidy(() => outputsOf(run, tensors).map((t) => ({ shape: t.shape, dtype: t.dtype, values: Array.from(t.dataSync()) })));
  const weights = tensors.filter((_, i) => isFloating(inputs[i])) as tf.Variable[];
  let grads: number[][] = [];
  if (gradient !== 'none' && weights.length > 0 && outputs.some(({ dtype }) => dtype === 'float32')) {
    const loss = (): tf.Scalar =>
      tf.addN(
        outputsOf(run, tensors)
          .filter(({ dtype }) => dtype === 'float32')
          .map(weighted),
      ) as tf.Scalar;
    grads = gradient === 'differences' && engine.name !== 'torch' ? differences(loss, weights) : taped(engine, loss, weights);
  }
  tf.dispose(tensors);
  return { outputs, grads };
}

function isFloating({ kind }: Input): boolean {
  return kind !== 'int' && kind !== 'bool';
}

function outputsOf(run: Case['run'], tensors: tf.Tensor[]): tf.Tensor[] {
  const made = run(...tensors);
  return Array.isArray(made) ? made : [made];
}

function taped(engine: Engine, loss: () => tf.Scalar, weights: tf.Variable[]): number[][] {
  const result = engine.valueAndGrads(() => ({ loss: loss() }), weights);
  const grads = result.grads.map((grad) => Array.from(grad.dataSync()));
  tf.dispose([result.loss, ...result.grads]);
  return grads;
}

/** Step of the central differences: half of float32's digits go to the step, half to the slope. */
const STEP = 2 ** -7;

/** Central differences of the loss with respect to every element of the weights. */
function differences(loss: () => tf.Scalar, weights: tf.Variable[]): number[][] {
  return weights.map((weight) => {
    const values = weight.dataSync<'float32'>().slice();
    const at = (i: number, value: number): number =>
      tf.tidy(() => {
        weight.assign(tf.tensor(values.with(i, value), weight.shape, 'float32'));
        return loss().dataSync()[0];
      });
    const grad = Array.from(values, (value, i) => (at(i, value + STEP) - at(i, value - STEP)) / (2 * STEP));
    tf.tidy(() => weight.assign(tf.tensor(values, weight.shape, 'float32')));
    return grad;
  });
}

/** Tensors that tfjs counts, and data that the backend in use holds: on torch every slot, on its way to tfjs or not. */
export function live(): { tensors: number; data: number } {
  return { tensors: tf.memory().numTensors, data: tf.getBackend() === 'torch' ? torch().liveSlots() : tf.backend().numDataIds() };
}

/** Compares two runs of a case to a few float32 roundings, relative to the largest value at hand. */
export function expectEqual(actual: Result, expected: Result, tolerance = 2e-5, gradientTolerance = tolerance): void {
  expect(actual.outputs.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
    expected.outputs.map(({ shape, dtype }) => ({ shape, dtype })),
  );
  actual.outputs.forEach((output, i) => expectClose(output.values, expected.outputs[i].values, tolerance, `output ${i}`));
  expect(actual.grads.length).toBe(expected.grads.length);
  actual.grads.forEach((grad, i) => expectClose(grad, expected.grads[i], gradientTolerance, `gradient ${i}`));
}

function expectClose(actual: readonly number[], expected: readonly number[], tolerance: number, what: string): void {
  expect(`${what}: ${actual.length} values`).toBe(`${what}: ${expected.length} values`);
  const scale = Math.max(1, ...expected.filter(Number.isFinite).map(Math.abs));
  const wrong = actual
    .map((value, i) => ({ i, value, expected: expected[i] }))
    .filter(
      ({ value, expected: wanted }) => !(Object.is(value, wanted) || value === wanted || Math.abs(value - wanted) <= tolerance * scale),
    );
  expect({ what, wrong: wrong.slice(0, 5) }).toEqual({ what, wrong: [] });
}
