import * as tf from '@tensorflow/tfjs-core';
import { permutation, randomStream } from '../../util/random';
import type { Case, Input, Kind } from './conformance';

type Unary = (x: tf.Tensor) => tf.Tensor | tf.Tensor[];
type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

const shapes: readonly (readonly number[])[] = [[], [0], [0, 3], [5], [2, 3], [2, 1, 3, 4]];
const pairs: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[], []],
  [[0, 3], [3]],
  [[], [2, 2]],
  [
    [2, 3],
    [2, 3],
  ],
  [
    [2, 1, 4],
    [3, 1],
  ],
  [
    [2, 3, 4, 5],
    [1, 3, 1, 5],
  ],
];

function input(kind: Kind, shape: readonly number[]): Input {
  return { kind, shape };
}

function show(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

function unary(name: string, kind: Kind, run: Unary, gradient?: Case['gradient']): Case[] {
  return shapes.map((shape) => ({ name: `${name} ${kind} ${show(shape)}`, inputs: [input(kind, shape)], run, gradient }));
}

function binary(name: string, kind: Kind, run: Binary, gradient?: Case['gradient']): Case[] {
  return pairs.map(([a, b]) => ({
    name: `${name} ${kind} ${show(a)} ${show(b)}`,
    inputs: [input(kind, a), input(kind, b)],
    run: run as Case['run'],
    gradient,
  }));
}

function one(name: string, kind: Kind, shape: readonly number[], run: Unary, gradient?: Case['gradient']): Case {
  return { name: `${name} ${show(shape)}`, inputs: [input(kind, shape)], run, gradient };
}

/** A reduction of rank 4, of a scalar, over no elements left, over several axes, over all. */
function reduction(
  name: string,
  kind: Kind,
  reduce: (x: tf.Tensor, axis?: number | number[], keep?: boolean) => tf.Tensor,
  gradient?: Case['gradient'],
): Case[] {
  return [
    one(`${name} ${kind} all`, kind, [], (x) => reduce(x), gradient),
    one(`${name} ${kind} all`, kind, [2, 3, 2, 2], (x) => reduce(x), gradient),
    one(`${name} ${kind} last`, kind, [0, 3], (x) => reduce(x, -1), gradient),
    one(`${name} ${kind} first`, kind, [3, 4], (x) => reduce(x, 0), gradient),
    one(`${name} ${kind} kept`, kind, [2, 3, 4], (x) => reduce(x, 1, true), gradient),
    one(`${name} ${kind} two axes`, kind, [2, 3, 2, 2], (x) => reduce(x, [1, 3]), gradient),
    one(`${name} ${kind} two axes kept`, kind, [2, 3, 2, 2], (x) => reduce(x, [0, 2], true), gradient),
  ];
}

const elementwise: Case[] = [
  ...binary('add', 'normal', tf.add),
  ...binary('add', 'int', tf.add),
  ...binary('sub', 'normal', tf.sub),
  ...binary('mul', 'normal', tf.mul),
  ...binary('mul', 'int', tf.mul),
  ...binary('div', 'positive', tf.div),
  ...binary('floorDiv', 'positive', tf.floorDiv),
  ...binary('mod', 'normal', tf.mod),
  ...binary('pow', 'positive', tf.pow),
  ...binary('maximum', 'spaced', tf.maximum, 'differences'),
  ...binary('minimum', 'spaced', tf.minimum, 'differences'),
  ...binary('squaredDifference', 'normal', tf.squaredDifference, 'differences'),
  ...binary('atan2', 'normal', tf.atan2),
  ...(['equal', 'notEqual', 'greater', 'greaterEqual', 'less', 'lessEqual'] as const).flatMap((name) => [
    ...binary(name, 'int', (a, b) => tf[name](a, b)),
    ...binary(name, 'normal', (a, b) => tf[name](a, b)),
  ]),
  ...(['logicalAnd', 'logicalOr', 'logicalXor'] as const).flatMap((name) => binary(name, 'bool', (a, b) => tf[name](a, b))),
  ...binary('bitwiseAnd', 'int', tf.bitwiseAnd).filter(({ inputs }) => show(inputs[0].shape) === show(inputs[1].shape)),
  { name: 'addN', inputs: [input('normal', [2, 3]), input('normal', [2, 3]), input('normal', [2, 3])], run: (...xs) => tf.addN(xs) },
  { name: 'addN one', inputs: [input('normal', [2, 3])], run: (...xs) => tf.addN(xs) },
  ...(
    ['abs', 'neg', 'relu', 'elu', 'selu', 'softplus', 'sigmoid', 'tanh', 'sin', 'cos', 'sinh', 'cosh', 'exp', 'expm1', 'erf'] as const
  ).flatMap((name) => unary(name, 'normal', (x) => tf[name](x))),
  ...(['atan', 'asinh', 'square'] as const).flatMap((name) => unary(name, 'normal', (x) => tf[name](x))),
  ...(['sqrt', 'rsqrt', 'log', 'log1p', 'reciprocal'] as const).flatMap((name) => unary(name, 'positive', (x) => tf[name](x))),
  ...(['asin', 'acos', 'atanh', 'tan'] as const).flatMap((name) => unary(name, 'unit', (x) => tf[name](x))),
  ...unary('acosh', 'above1', tf.acosh),
  ...(['floor', 'ceil', 'round', 'sign'] as const).flatMap((name) => unary(name, 'normal', (x) => tf[name](x))),
  ...unary('step', 'normal', (x) => tf.step(x, 0)),
  ...unary('step alpha', 'normal', (x) => tf.step(x, 0.25)),
  ...unary('neg', 'int', tf.neg),
  ...unary('square', 'int', tf.square),
  ...unary('abs', 'int', tf.abs),
  ...unary('logicalNot', 'bool', tf.logicalNot),
  ...unary('clipByValue', 'normal', (x) => tf.clipByValue(x, -0.7, 0.9)),
  ...unary('relu6', 'normal', (x) => tf.relu6(tf.mul(x, 5))),
  ...unary('leakyRelu', 'normal', (x) => tf.leakyRelu(x, 0.3)),
  // tfjs's definition keeps the rank that the broadcast of alpha has
  { name: 'prelu', inputs: [input('normal', [2, 3]), input('normal', [2, 3])], run: (x, alpha) => tf.prelu(x, alpha) },
  { name: 'prelu broadcast', inputs: [input('normal', [2, 3, 2, 2]), input('normal', [2, 2])], run: (x, alpha) => tf.prelu(x, alpha) },
  {
    name: 'round halves to even',
    inputs: [{ kind: 'normal', shape: [6], values: [-1.5, -0.5, 0.5, 1.5, 2.5, 3.5] }],
    run: (x) => tf.round(x),
  },
  ...(['isNaN', 'isInf', 'isFinite'] as const).map((name): Case => ({
    name,
    inputs: [{ kind: 'normal', shape: [5], values: [1, NaN, Infinity, -Infinity, 0] }],
    run: (x) => tf[name](x),
  })),
  {
    name: 'where',
    inputs: [{ kind: 'bool', shape: [2, 3] }, input('normal', [2, 3]), input('normal', [2, 3])],
    run: (c, t, e) => tf.where(c, t, e),
  },
  {
    name: 'where broadcast',
    inputs: [{ kind: 'bool', shape: [2, 1, 3, 1] }, input('normal', [2, 4, 3, 1]), input('normal', [])],
    run: (c, t, e) => tf.where(c, t, e),
  },
  {
    name: 'eluGrad',
    inputs: [input('spaced', [2, 3]), input('spaced', [2, 3])],
    run: (dy, y) => tf.engine().runKernel('EluGrad', { dy, y }) as tf.Tensor,
    gradient: 'differences',
  },
];

const reductions: Case[] = [
  ...reduction('sum', 'normal', tf.sum),
  ...reduction('sum', 'int', tf.sum),
  ...reduction('sum', 'bool', tf.sum),
  ...reduction('mean', 'normal', tf.mean),
  ...reduction('max', 'normal', tf.max),
  ...reduction('max', 'int', tf.max),
  ...reduction('min', 'normal', tf.min),
  ...reduction('prod', 'positive', tf.prod, 'differences'),
  one('prod gradient', 'positive', [2, 3, 4], (x) => tf.prod(x, 1)),
  ...reduction('any', 'bool', tf.any),
  ...reduction('all', 'bool', tf.all),
  ...reduction('logSumExp', 'normal', tf.logSumExp),
  one('mean int', 'int', [3, 4], (x) => tf.mean(x, 1)),
  one('sum over no elements', 'normal', [3, 0], (x) => tf.sum(x, 1)),
  one('argMax', 'normal', [3, 4], (x) => tf.argMax(x, 1)),
  one('argMax', 'normal', [2, 3, 2, 2], (x) => tf.argMax(x, 2)),
  one('argMin', 'normal', [3, 4], (x) => tf.argMin(x, 0)),
  one('argMax ties', 'int', [4, 30], (x) => tf.argMax(x, 1)),
  one('argMin ties', 'int', [4, 30], (x) => tf.argMin(x, 1)),
  ...[[4], [0, 3], [2, 3], [2, 2, 3, 4]].flatMap((shape) => [
    one('softmax', 'normal', shape, (x) => tf.softmax(x)),
    one('logSoftmax', 'normal', shape, (x) => tf.logSoftmax(x)),
  ]),
  one('softmax of large logits', 'normal', [2, 5], (x) => tf.softmax(tf.mul(x, 1000))),
  ...[false, true].flatMap((exclusive) =>
    [false, true].flatMap((reverse) => [
      one(`cumsum ${exclusive} ${reverse}`, 'normal', [2, 4, 3], (x) => tf.cumsum(x, 1, exclusive, reverse), 'differences'),
      one(`cumsum int ${exclusive} ${reverse}`, 'int', [5], (x) => tf.cumsum(x, 0, exclusive, reverse)),
      one(`cumprod ${exclusive} ${reverse}`, 'normal', [2, 4, 3], (x) => tf.cumprod(x, 1, exclusive, reverse), 'differences'),
    ]),
  ),
  { name: 'topk', inputs: [shuffled([3, 7])], run: topk(3), gradient: 'differences' },
  { name: 'topk of all: a sort', inputs: [shuffled([2, 2, 2, 6])], run: topk(6), gradient: 'differences' },
  one('sort with ties', 'int', [3, 20], topk(20)),
  one('topk of none', 'normal', [3, 4], topk(0), 'differences'),
  ...(['left', 'right'] as const).map((side): Case => ({
    name: `searchSorted ${side}`,
    inputs: [
      { kind: 'normal', shape: [2, 4], values: [1, 2, 2, 3, -1, 0, 0.5, 4] },
      { kind: 'normal', shape: [2, 3], values: [2, 0, 9, 0, 4, -7] },
    ],
    run: (sorted, values) => tf.searchSorted(sorted, values, side),
  })),
];

/** Values a quarter apart, in no order: differences must not change it. */
function shuffled(shape: readonly number[]): Input {
  const size = tf.util.sizeFromShape([...shape]);
  return { kind: 'normal', shape, values: permutation(size, randomStream(size)).map((place) => place / 4 - 3) };
}

function topk(k: number): Unary {
  return (x) => {
    const { values, indices } = tf.topk(x, k);
    return [values, indices];
  };
}

const shapeCases: Case[] = [
  ...unary('clone', 'normal', (x) => tf.clone(x)),
  ...unary('reshape', 'normal', (x) => tf.reshape(x, [x.size])),
  one('reshape', 'normal', [2, 3, 2, 2], (x) => tf.reshape(x, [4, -1])),
  one('reshape of a transposed', 'normal', [2, 3, 2, 2], (x) => tf.reshape(tf.transpose(x, [3, 1, 0, 2]), [6, 4])),
  one('expandDims', 'normal', [2, 3], (x) => tf.expandDims(x, 1)),
  one('expandDims last', 'normal', [2, 3], (x) => tf.expandDims(x, -1)),
  one('squeeze', 'normal', [2, 1, 3, 1], (x) => tf.squeeze(x, [1])),
  one('transpose', 'normal', [3, 4], (x) => tf.transpose(x)),
  one('transpose', 'normal', [2, 3, 2, 4], (x) => tf.transpose(x, [0, 2, 1, 3])),
  one('transpose', 'normal', [0, 3], (x) => tf.transpose(x)),
  one('tile', 'normal', [2, 3], (x) => tf.tile(x, [2, 3])),
  one('tile', 'normal', [2, 1, 3, 2], (x) => tf.tile(x, [1, 2, 1, 2])),
  one('broadcastTo', 'normal', [2, 1, 3], (x) => tf.broadcastTo(x, [4, 2, 5, 3])),
  one('pad', 'normal', [2, 3], (x) =>
    tf.pad(
      x,
      [
        [1, 0],
        [2, 1],
      ],
      0.5,
    ),
  ),
  one('pad', 'normal', [2, 1, 3, 2], (x) =>
    tf.pad(x, [
      [0, 0],
      [1, 1],
      [0, 2],
      [1, 0],
    ]),
  ),
  one('reverse', 'normal', [2, 3, 2, 2], (x) => tf.reverse(x, [1, 3])),
  one('slice', 'normal', [4, 5], (x) => tf.slice(x, [1, 2], [2, -1])),
  one('slice', 'normal', [2, 3, 4, 2], (x) => tf.slice(x, [0, 1, 1, 0], [2, 1, 3, 1])),
  one('slice to nothing', 'normal', [4, 5], (x) => tf.slice(x, [1, 2], [0, 3])),
  one('slice of all', 'normal', [4, 5], (x) => tf.slice(x, [0, 0])),
  one('stridedSlice', 'normal', [6, 5], (x) => tf.stridedSlice(x, [1, 0], [6, 5], [2, 3]), 'differences'),
  one('stridedSlice backwards', 'normal', [6, 5], (x) => tf.stridedSlice(x, [4, 4], [0, -6], [-2, -1]), 'differences'),
  one('stridedSlice masks', 'normal', [4, 5, 3], (x) => tf.stridedSlice(x, [1, 2, 0], [3, 4, 1], [1, 1, 1], 1, 2, 0, 0, 4), 'differences'),
  {
    name: 'concat',
    inputs: [input('normal', [2, 3]), input('normal', [2, 1]), input('normal', [2, 0])],
    run: (...xs) => tf.concat(xs as tf.Tensor2D[], 1),
  },
  {
    name: 'concat rank 4',
    inputs: [input('normal', [1, 2, 2, 3]), input('normal', [1, 3, 2, 3])],
    run: (...xs) => tf.concat(xs as tf.Tensor4D[], -3),
  },
  { name: 'stack', inputs: [input('normal', [2, 3]), input('normal', [2, 3])], run: (...xs) => tf.stack(xs, 1) },
  { name: 'stack scalars', inputs: [input('normal', []), input('normal', [])], run: (...xs) => tf.stack(xs) },
  one('unstack', 'normal', [2, 3, 2], (x) => tf.unstack(x, 1)),
  one('split evenly', 'normal', [2, 6], (x) => tf.split(x, 3, 1)),
  one('split by sizes', 'normal', [5, 2], (x) => tf.split(x, [1, -1, 2], 0)),
];

const indexing: Case[] = [
  { name: 'gather rows', inputs: [input('normal', [4, 3]), ids([5], [0, 3, 3, 1, 0])], run: (x, i) => tf.gather(x, i as tf.Tensor1D) },
  {
    name: 'gather by a table',
    inputs: [input('normal', [4, 3]), ids([2, 2], [0, 3, 3, 1])],
    run: (x, i) => tf.gather(x, i as tf.Tensor2D),
  },
  { name: 'gather axis 2', inputs: [input('normal', [2, 2, 4, 3]), ids([3], [1, 1, 3])], run: (x, i) => tf.gather(x, i as tf.Tensor1D, 2) },
  { name: 'gather none', inputs: [input('normal', [4, 3]), ids([0], [])], run: (x, i) => tf.gather(x, i as tf.Tensor1D) },
  { name: 'gather a scalar', inputs: [input('normal', [4, 3]), ids([], [2])], run: (x, i) => tf.gather(x, i as tf.Tensor1D) },
  { name: 'gather ints', inputs: [input('int', [6]), ids([3], [5, 0, 5])], run: (x, i) => tf.gather(x, i as tf.Tensor1D) },
  {
    name: 'gather by batch',
    inputs: [input('normal', [2, 3, 4]), ids([2, 2], [0, 2, 1, 1])],
    run: (x, i) => tf.gather(x, i as tf.Tensor2D, 1, 1),
    gradient: 'differences',
  },
  {
    name: 'gatherND',
    inputs: [input('normal', [3, 4, 2]), ids([3, 2], [0, 3, 2, 1, 0, 3])],
    run: (x, i) => tf.gatherND(x, i),
    gradient: 'differences',
  },
  {
    name: 'scatterND',
    inputs: [input('normal', [3, 2]), ids([3, 1], [4, 1, 4])],
    run: (x, i) => tf.scatterND(i, x, [5, 2]),
    gradient: 'differences',
  },
  {
    name: 'tensorScatterUpdate',
    inputs: [input('normal', [4, 2]), input('normal', [2, 2]), ids([2, 1], [3, 0])],
    run: (x, updates, i) => tf.tensorScatterUpdate(x, i, updates),
    gradient: 'differences',
  },
  {
    name: 'unsortedSegmentSum',
    inputs: [input('normal', [5, 2]), ids([5], [2, 0, 2, 1, 0])],
    run: (x, i) => tf.unsortedSegmentSum(x, i as tf.Tensor1D, 4),
  },
  {
    name: 'unsortedSegmentSum without a segment',
    inputs: [input('normal', [3, 2]), ids([3], [-1, 1, 7])],
    run: (x, i) => tf.unsortedSegmentSum(x, i as tf.Tensor1D, 2),
    gradient: 'differences',
  },
  {
    name: 'unsortedSegmentSum of none',
    inputs: [input('normal', [0, 2]), ids([0], [])],
    run: (x, i) => tf.unsortedSegmentSum(x, i as tf.Tensor1D, 3),
  },
];

function ids(shape: readonly number[], values: readonly number[]): Input {
  return { kind: 'int', shape, values };
}

function matMulCase(a: readonly number[], b: readonly number[], ta = false, tb = false, gradient?: Case['gradient']): Case {
  return {
    name: `matMul ${show(a)} ${show(b)}${ta ? ' a transposed' : ''}${tb ? ' b transposed' : ''}`,
    inputs: [input('normal', a), input('normal', b)],
    run: (x, y) => tf.matMul(x, y, ta, tb),
    gradient,
  };
}

const products: Case[] = [
  matMulCase([2, 3], [3, 4]),
  matMulCase([3, 2], [3, 4], true),
  matMulCase([2, 3], [4, 3], false, true),
  matMulCase([3, 2], [4, 3], true, true),
  matMulCase([2, 2, 2, 3], [2, 2, 3, 4]),
  matMulCase([2, 2, 3], [1, 3, 2], false, false, 'differences'),
  matMulCase([0, 3], [3, 4]),
  { name: 'dot', inputs: [input('normal', [3]), input('normal', [3])], run: (a, b) => tf.dot(a, b) },
  ...(['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu'] as const).map((activation): Case => ({
    name: `fused matMul ${activation}`,
    inputs: [input('normal', [2, 3]), input('normal', [3, 4]), input('normal', [4])],
    run: (a, b, bias) => tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias, activation, leakyreluAlpha: 0.3 }),
    // the op's own gradient goes through the kernel outside the tape too
    gradient: activation === 'linear' || activation === 'relu' || activation === 'relu6' ? 'tape' : 'differences',
  })),
  {
    name: 'fused matMul prelu',
    inputs: [input('normal', [2, 3]), input('normal', [3, 4]), input('normal', [1, 4])],
    run: (a, b, preluActivationWeights) =>
      tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, activation: 'prelu', preluActivationWeights }),
    gradient: 'differences',
  },
  {
    name: 'einsum',
    inputs: [input('normal', [2, 3, 4]), input('normal', [2, 4, 2])],
    run: (a, b) => tf.einsum('bij,bjk->bik', a, b),
    gradient: 'differences',
  },
  { name: 'einsum of one', inputs: [input('normal', [3, 4])], run: (a) => tf.einsum('ij->j', a), gradient: 'differences' },
];

const creation: Case[] = [
  ...unary('cast to int32', 'normal', (x) => tf.cast(x, 'int32')),
  ...unary('cast to bool', 'int', (x) => tf.cast(x, 'bool')),
  ...unary('cast to float32', 'int', (x) => tf.cast(x, 'float32')),
  ...unary('cast to int32', 'bool', (x) => tf.cast(x, 'int32')),
  ...unary('cast to float32', 'normal', (x) => tf.cast(x, 'float32')),
  ...unary('zerosLike', 'normal', tf.zerosLike),
  ...unary('onesLike', 'normal', tf.onesLike, 'differences'),
  ...unary('zerosLike', 'int', tf.zerosLike),
  { name: 'fill', inputs: [], run: () => tf.fill([2, 0, 3, 1], 1.5) },
  { name: 'fill int', inputs: [], run: () => tf.fill([2, 2], 3, 'int32') },
  { name: 'fill scalar', inputs: [], run: () => tf.fill([], -2) },
  { name: 'fill bool', inputs: [], run: () => tf.fill([3], 1, 'bool') },
  { name: 'range', inputs: [], run: () => tf.range(1, 2, 0.25) },
  { name: 'range falling', inputs: [], run: () => tf.range(5, 0) },
  { name: 'range of ints', inputs: [], run: () => tf.range(3, 20, 4, 'int32') },
  { name: 'range of none', inputs: [], run: () => tf.range(3, 3, 1, 'int32') },
  { name: 'linspace', inputs: [], run: () => tf.linspace(-1, 2, 7) },
  { name: 'eye', inputs: [], run: () => tf.eye(3, 4, [2]) },
  { name: 'oneHot', inputs: [ids([4], [0, 2, 5, -1])], run: (i) => tf.oneHot(i as tf.Tensor1D, 3) },
  { name: 'oneHot values', inputs: [ids([2, 2], [0, 2, 1, 1])], run: (i) => tf.oneHot(i as tf.Tensor2D, 3, 0.9, 0.1, 'float32') },
  { name: 'moments', inputs: [input('normal', [2, 3, 4])], run: (x) => Object.values(tf.moments(x, -1)) as tf.Tensor[] },
];

/** Every kernel over shapes that include empty, scalar, broadcast and rank 4. Multinomial draws at random and is tested apart. */
export const kernelCases: readonly Case[] = [...elementwise, ...reductions, ...shapeCases, ...indexing, ...products, ...creation];
