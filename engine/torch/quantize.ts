import type { Quantization } from '../engine';
import { type Slot, aten, describe, freeSlot, scalarType, scoped, torch, track } from './binding';

const op = {
  abs: aten('abs'),
  add: aten('add.Tensor'),
  addNumber: aten('add.Scalar'),
  amax: aten('amax'),
  bucketize: aten('bucketize.Tensor'),
  cast: aten('to.dtype'),
  cat: aten('cat'),
  clamp: aten('clamp'),
  div: aten('div.Tensor'),
  indexSelect: aten('index_select'),
  mean: aten('mean'),
  mul: aten('mul.Tensor'),
  mulNumber: aten('mul.Scalar'),
  pad: aten('constant_pad_nd'),
  reciprocal: aten('reciprocal'),
  reshape: aten('reshape'),
  select: aten('select.int'),
  slice: aten('slice.Tensor'),
  sub: aten('sub.Tensor'),
  transpose: aten('transpose.int'),
  unsqueeze: aten('unsqueeze'),
};

/** A weight in 4 bits, in bitsandbytes' layout (quantizedLinear.h says what each holds). */
export interface QuantizedSlots {
  packed: Slot;
  pairs: Slot;
  absmax: Slot;
  scales?: Slot;
  table?: Slot;
  offset?: Slot;
  outputs: number;
  inputs: number;
  /** Kept [outputs, inputs], though the model has it the other way round. */
  transposed: boolean;
}

/** bitsandbytes' values of the 16 codes: nf4 from the quantiles of a normal distribution (arXiv 2305.14314), fp4 of 1 sign, 2 exponent and 1 mantissa bits. */
const VALUES: Readonly<Record<Quantization['type'], readonly number[]>> = {
  nf4: [
    ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334],
    ...[-0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
    ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
  ],
  fp4: [0, 0.0625, 8, 12, 4, 6, 2, 3, 0, -0.0625, -8, -12, -4, -6, -2, -3].map((value) => Math.fround(value / 12)),
};

/** The codes in the order of their values; fp4's second zero (code 8) comes after the first. */
const ORDER: Readonly<Record<Quantization['type'], readonly number[]>> = {
  nf4: VALUES.nf4.map((_, i) => i),
  fp4: [11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3],
};

const BLOCK = 64;
const SCALE_BLOCK = 256;
/** Smaller magnitudes are taken for it, so that a block of zeros divides by something. */
const TINY = 1e-38;
const GRID = 65536;

/** bitsandbytes' signed 8-bit dynamic map (arXiv 1511.04561): exponents of ten, the larger ones with more steps between. [256], ascending */
export function dynamicMap(): Float32Array {
  const values: number[] = [0, 1];
  for (let exponent = 0; exponent < 7; exponent++) {
    const steps = 2 ** exponent;
    const factor = 10 ** (exponent - 6);
    const bound = linspace(0.1, 1, steps + 1);
    for (let i = 0; i < steps; i++) {
      const mean = Math.fround(Math.fround(bound[i] + bound[i + 1]) / 2);
      values.push(Math.fround(Math.fround(factor) * mean), -Math.fround(Math.fround(factor) * mean));
    }
  }
  return Float32Array.from(values).sort();
}

/** torch.linspace in float32: from both ends to the middle. */
function linspace(start: number, end: number, count: number): number[] {
  const [first, last] = [Math.fround(start), Math.fround(end)];
  const step = Math.fround(Math.fround(last - first) / (count - 1));
  return Array.from({ length: count }, (_, i) =>
    i < count / 2 ? Math.fround(first + step * i) : Math.fround(last - step * (count - 1 - i)),
  );
}

/** The nearest of the map's values to each of 65,536 even steps from -1 to 1: bitsandbytes' CPU kernel rounds to a step first. */
function nearestOnGrid(map: Float32Array): Float32Array {
  const nearest = new Float32Array(GRID);
  let right = 0;
  for (let i = 0; i < GRID; i++) {
    const value = -1 + i * (2 / (GRID - 1));
    while (right < map.length && map[right] < value) right++;
    const left = right - 1;
    nearest[i] = right === 0 ? 0 : right === map.length ? left : map[right] - value < value - map[left] ? right : left;
  }
  return nearest;
}

const rows = (flat: Slot, length: number): Slot => op.reshape(flat, [-1, length]);
const column = (flat: Slot): Slot => op.unsqueeze(flat, 1);

/**
 * Quantises a weight as `bitsandbytes.functional.quantize_4bit` does, bit for bit on a CPU: blocks of 64 values along the rows, `double` their
 * magnitudes too (`compress_statistics`).
 * @param weight float32; freed by the caller  @param transposed turn it before, so that it is kept [outputs, inputs]
 */
export function quantize(weight: Slot, { type, double }: Quantization, transposed: boolean, device: string): QuantizedSlots {
  const upload = (values: ArrayLike<number>): Slot =>
    torch().fromBytes(Float32Array.from(values), scalarType.float32, [values.length], scalarType.float32, device);
  const passing = (values: ArrayLike<number>): Slot => track(upload(values));
  const [first, second] = describe(weight).shape;
  const [outputs, inputs] = transposed ? [second, first] : [first, second];
  const [packed, absmax] = scoped(() => {
    const flat = op.reshape(transposed ? op.transpose(weight, 0, 1) : weight, [-1]);
    const count = outputs * inputs;
    const whole = count - (count % BLOCK);
    const parts: [Slot, Slot][] = [];
    if (whole > 0) {
      const blocks = rows(op.slice(flat, 0, 0, whole), BLOCK);
      const largest = op.amax(op.abs(blocks), [1]);
      parts.push([op.reshape(op.mul(blocks, column(op.reciprocal(op.clamp(largest, TINY)))), [-1]), largest]);
    }
    if (whole < count) {
      const rest = op.slice(flat, 0, whole, count);
      const largest = op.clamp(op.amax(op.abs(rest), [0], true), TINY);
      parts.push([op.div(rest, largest), largest]);
    }
    const scaled = op.clamp(
      op.cat(
        parts.map(([values]) => values),
        0,
      ),
      -1,
      1,
    );
    const even = count % 2 === 0 ? scaled : op.pad(scaled, [0, 1]);
    const places = op.bucketize(even, passing(bounds(type)), true);
    const codes = type === 'nf4' ? places : op.indexSelect(passing(ORDER[type]), 0, places);
    const pairs = rows(op.cast(codes, scalarType.uint8), 2);
    const bytes = op.add(op.mulNumber(op.select(pairs, 1, 0), 16), op.select(pairs, 1, 1));
    return [
      bytes,
      op.cat(
        parts.map(([, largest]) => largest),
        0,
      ),
    ];
  });
  const pairs = torch().fromBytes(bytePairs(type), scalarType.float32, [256, 2], scalarType.float32, device);
  const kept = { packed, pairs, outputs, inputs, transposed };
  if (!double) return { ...kept, absmax };
  const map = dynamicMap();
  const [codes, scales, offset] = scoped(() => {
    const count = describe(absmax).shape[0];
    const mean = op.mean(absmax);
    const blocks = rows(op.pad(op.sub(absmax, mean), [0, (SCALE_BLOCK - (count % SCALE_BLOCK)) % SCALE_BLOCK]), SCALE_BLOCK);
    const largest = op.amax(op.abs(blocks), [1]);
    const scaled = op.clamp(op.mul(blocks, column(op.reciprocal(op.clamp(largest, TINY)))), -1, 1);
    const steps = op.addNumber(op.mulNumber(op.addNumber(scaled, 1), (GRID - 1) / 2), 0.5);
    const flat = op.slice(op.reshape(op.cast(steps, scalarType.int32), [-1]), 0, 0, count);
    return [op.cast(op.indexSelect(passing(nearestOnGrid(map)), 0, flat), scalarType.uint8), largest, mean];
  });
  freeSlot(absmax);
  return { ...kept, absmax: codes, scales, offset, table: upload(map) };
}

/** Midpoints of neighbouring values, ascending, in float32. */
function bounds(type: Quantization['type']): number[] {
  const sorted = ORDER[type].map((code) => VALUES[type][code]);
  return sorted.slice(1).map((value, i) => Math.fround(Math.fround(sorted[i] + value) / 2));
}

/** The values of a byte's two codes, for every byte. */
function bytePairs(type: Quantization['type']): Float32Array {
  return Float32Array.from({ length: 512 }, (_, i) => VALUES[type][i % 2 === 0 ? i >> 5 : (i >> 1) & 15]);
}

/** The slots that a quantised weight owns. */
export function slotsOf({ packed, pairs, absmax, scales, table, offset }: QuantizedSlots): Slot[] {
  return [packed, pairs, absmax, scales, table, offset].filter((slot) => slot !== undefined);
}

/** The binding's arguments for a quantised weight. */
export function weightArguments(weight: QuantizedSlots): (Slot | number | undefined)[] {
  const { packed, pairs, absmax, scales, table, offset, outputs, inputs } = weight;
  return [packed, pairs, absmax, scales, table, offset, outputs, inputs];
}
