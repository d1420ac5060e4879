import { type KernelInput, type TorchBackend, defineKernel, inputList } from '../backend';
import { type Slot, aten, typeOf } from '../binding';
import { prelu } from './elementwise';

const matmul = aten('matmul');
const transpose = aten('transpose.int');
const toType = aten('to.dtype');
const einsum = aten('einsum');
const add = aten('add.Tensor');
const clamp = aten('clamp');
const leakyRelu = aten('leaky_relu');

interface MatMulAttributes {
  transposeA: boolean;
  transposeB: boolean;
}

interface FusedMatMulAttributes extends MatMulAttributes {
  activation: keyof typeof activations | 'leakyrelu' | 'prelu';
  leakyreluAlpha?: number;
}

const activations = {
  linear: (x: Slot): Slot => x,
  relu: aten('relu'),
  relu6: (x: Slot): Slot => clamp(x, 0, 6),
  elu: aten('elu'),
  sigmoid: aten('sigmoid'),
} as const;

/** Factors of different widths meet in the engine's working precision, as under PyTorch's autocast: matmul takes one type. */
export function sameType(a: Slot, b: Slot, backend: TorchBackend): [Slot, Slot] {
  if (backend.precision === 'float32') return [a, b];
  const [left, right] = [typeOf(a), typeOf(b)];
  if (left === right) return [a, b];
  const working = backend.floating;
  return [left === working ? a : toType(a, working), right === working ? b : toType(b, working)];
}

function product(a: KernelInput, b: KernelInput, { transposeA, transposeB }: MatMulAttributes, backend: TorchBackend): Slot {
  const [left, right] = sameType(a.slot, b.slot, backend);
  return matmul(transposeA ? transpose(left, -2, -1) : left, transposeB ? transpose(right, -2, -1) : right);
}

/** Matrix products over batches, broadcast. */
export function defineMatmulKernels(): void {
  defineKernel<MatMulAttributes>('BatchMatMul', ({ a, b }, attributes, backend) => product(a, b, attributes, backend));
  defineKernel<FusedMatMulAttributes>('_FusedMatMul', ({ a, b, bias, preluActivationWeights }, attributes, backend) => {
    let result = product(a, b, attributes, backend);
    if (bias) result = add(result, bias.slot);
    const { activation } = attributes;
    if (activation === 'prelu') return prelu(result, preluActivationWeights.slot);
    if (activation === 'leakyrelu') return leakyRelu(result, attributes.leakyreluAlpha ?? 0.2);
    return activations[activation ?? 'linear'](result);
  });
  defineKernel<{ equation: string }>('Einsum', (inputs, { equation }, backend) => {
    const slots = inputList(inputs).map((input) => input.slot);
    return einsum(equation, slots.length === 2 ? sameType(slots[0], slots[1], backend) : slots);
  });
}
