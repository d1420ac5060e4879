import { defineKernel, inputList } from '../backend';
import { type Slot, aten, scalarType } from '../binding';

const add = aten('add.Tensor');
const sub = aten('sub.Tensor');
const mul = aten('mul.Tensor');
const square = aten('square');
const floorDivide = aten('floor_divide');
const toType = aten('to.dtype');
const where = aten('where.self');
const notEqualScalar = aten('ne.Scalar');
const greaterScalar = aten('gt.Scalar');
const lessScalar = aten('lt.Scalar');
const greaterEqualScalar = aten('ge.Scalar');
const mulScalar = aten('mul.Scalar');
const addScalar = aten('add.Scalar');
const clamp = aten('clamp');
const leakyRelu = aten('leaky_relu');

/** Kernels of two tensors that are one operator; libtorch broadcasts and promotes types as tfjs does. */
const binary: Readonly<Record<string, string>> = {
  Add: 'add.Tensor',
  Atan2: 'atan2',
  BitwiseAnd: 'bitwise_and.Tensor',
  Equal: 'eq.Tensor',
  Greater: 'gt.Tensor',
  GreaterEqual: 'ge.Tensor',
  Less: 'lt.Tensor',
  LessEqual: 'le.Tensor',
  LogicalAnd: 'logical_and',
  LogicalOr: 'logical_or',
  Maximum: 'maximum',
  Minimum: 'minimum',
  // the result has the divisor's sign, in both
  Mod: 'remainder.Tensor',
  Multiply: 'mul.Tensor',
  NotEqual: 'ne.Tensor',
  Pow: 'pow.Tensor_Tensor',
  RealDiv: 'div.Tensor',
  Sub: 'sub.Tensor',
};

/** Kernels of one tensor that are one operator. */
const unary: Readonly<Record<string, string>> = {
  Abs: 'abs',
  Acos: 'acos',
  Acosh: 'acosh',
  Asin: 'asin',
  Asinh: 'asinh',
  Atan: 'atan',
  Atanh: 'atanh',
  Ceil: 'ceil',
  Cos: 'cos',
  Cosh: 'cosh',
  Elu: 'elu',
  Erf: 'erf',
  Exp: 'exp',
  Expm1: 'expm1',
  Floor: 'floor',
  IsFinite: 'isfinite',
  IsInf: 'isinf',
  IsNan: 'isnan',
  Log: 'log',
  Log1p: 'log1p',
  LogicalNot: 'logical_not',
  Neg: 'neg',
  Reciprocal: 'reciprocal',
  Relu: 'relu',
  // half to even, in both
  Round: 'round',
  Rsqrt: 'rsqrt',
  Selu: 'selu',
  Sigmoid: 'sigmoid',
  Sign: 'sign',
  Sin: 'sin',
  Sinh: 'sinh',
  Softplus: 'softplus',
  Sqrt: 'sqrt',
  Square: 'square',
  Tan: 'tan',
  Tanh: 'tanh',
};

/** max(0, x) + alpha min(0, x), alpha broadcast: libtorch's own `prelu` takes one alpha a channel. */
export function prelu(x: Slot, alpha: Slot): Slot {
  return where(lessScalar(x, 0), mul(x, alpha), x);
}

/** Arithmetic, comparison, logic, unary functions and selection: one result element for each (broadcast) input element. */
export function defineElementwiseKernels(): void {
  for (const [name, operator] of Object.entries(binary)) {
    const run = aten(operator);
    defineKernel(name, ({ a, b }) => run(a.slot, b.slot));
  }
  for (const [name, operator] of Object.entries(unary)) {
    const run = aten(operator);
    defineKernel(name, ({ x }) => run(x.slot));
  }
  // tfjs labels the result int32 whatever the inputs
  defineKernel('FloorDiv', ({ a, b }) => toType(floorDivide(a.slot, b.slot), scalarType.int64));
  defineKernel('SquaredDifference', ({ a, b }) => square(sub(a.slot, b.slot)));
  defineKernel('AddN', (inputs) => {
    const slots = inputList(inputs).map((input) => input.slot);
    // a sum of one is a new tensor too
    return slots.length === 1 ? mulScalar(slots[0], 1) : slots.slice(1).reduce((sum, slot) => add(sum, slot), slots[0]);
  });
  defineKernel<{ clipValueMin: number; clipValueMax: number }>('ClipByValue', ({ x }, { clipValueMin, clipValueMax }) =>
    clamp(x.slot, clipValueMin, clipValueMax),
  );
  defineKernel('Relu6', ({ x }) => clamp(x.slot, 0, 6));
  defineKernel<{ alpha: number }>('LeakyRelu', ({ x }, { alpha }) => leakyRelu(x.slot, alpha));
  defineKernel('Prelu', ({ x, alpha }) => prelu(x.slot, alpha.slot));
  // 1 where x > 0, alpha elsewhere
  defineKernel<{ alpha: number }>('Step', ({ x }, { alpha }) => {
    const positive = toType(greaterScalar(x.slot, 0), scalarType.float32);
    return alpha === 0 ? positive : addScalar(mulScalar(positive, 1 - alpha), alpha);
  });
  // the derivative of elu in terms of its result y
  defineKernel('EluGrad', ({ dy, y }) => where(greaterEqualScalar(y.slot, 0), dy.slot, mul(dy.slot, addScalar(y.slot, 1))));
  defineKernel('Select', ({ condition, t, e }) => {
    const chosen = condition.dtype === 'bool' ? condition.slot : notEqualScalar(condition.slot, 0);
    return where(chosen, t.slot, e.slot);
  });
}
