import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Precision } from '../engine';
import { slotsOf, type QuantizedSlots } from './quantize';
import { type Slot, describe, freeSlot, scalarType, scoped, torch, track } from './binding';

/*
 * How a kernel is written (engine/torch/kernels/*.ts):
 *
 *   const add = aten('add.Tensor');
 *   defineKernel('Add', ({ a, b }) => add(a.slot, b.slot));
 *   defineKernel<{ dim: number }>('Softmax', ({ logits }, { dim }) => softmax(logits.slot, dim));
 *
 * A kernel takes its inputs by tfjs's names (lists of tensors come as `inputs[0]`, `inputs[1]`, …; see `inputList`) and its
 * attributes, and returns the slot (or slots) of its result. It runs in `scoped`: every slot made on the way is freed but the
 * returned ones. A kernel never returns an input's slot: return `torch().alias(slot)` or a view. dtype follows from the
 * result: floating → 'float32', int64 → 'int32', bool → 'bool'. float32-labelled tensors may be bfloat16 underneath.
 */

/** A kernel's input: what tfjs knows of it, and its slot. */
export interface KernelInput {
  slot: Slot;
  shape: number[];
  dtype: tf.DataType;
}

export type KernelInputs = Readonly<Record<string, KernelInput>>;
type Kernel<A> = (inputs: KernelInputs, attributes: A, backend: TorchBackend) => Slot | Slot[];

interface Entry {
  slot: Slot;
  references: number;
  dtype: tf.DataType;
  /** A trainable weight's float32 values where `slot` is a working copy of lower precision. */
  master?: Slot;
  /** A frozen weight in 4 bits: `slot` is what it is packed in, and must not be read as values. */
  quantized?: QuantizedSlots;
}

const storedTypes: Readonly<Record<string, number>> = { float32: scalarType.float32, int32: scalarType.int64, bool: scalarType.bool };

/** tfjs's dtype for a result of libtorch's. */
function dtypeOf(type: number): tf.DataType {
  if (type === scalarType.bool) return 'bool';
  return type === scalarType.float32 || type === scalarType.bfloat16 || type === scalarType.float16 || type === scalarType.float64
    ? 'float32'
    : 'int32';
}

/** A tfjs backend whose tensors are libtorch's. */
export class TorchBackend extends tf.KernelBackend {
  private readonly entries = new Map<tf.DataId, Entry>();

  constructor(
    readonly device: string,
    readonly precision: Precision,
  ) {
    super();
  }

  /** The floating type of activations and frozen weights. */
  get floating(): number {
    return this.precision === 'bf16' ? scalarType.bfloat16 : scalarType.float32;
  }

  private entry(dataId: tf.DataId): Entry {
    const entry = this.entries.get(dataId);
    if (!entry) throw new Error('internal: a tensor that is not of the torch backend, or is freed already');
    return entry;
  }

  slotOf(tensor: { dataId: tf.DataId }): Slot {
    const { slot, quantized } = this.entry(tensor.dataId);
    if (quantized) throw new Error('internal: a weight in 4 bits is used by an operation that does not know of it');
    return slot;
  }

  /** What a weight in 4 bits is made of; undefined for every other tensor. */
  quantizedOf(tensor: { dataId: tf.DataId }): QuantizedSlots | undefined {
    return this.entry(tensor.dataId).quantized;
  }

  /** A frozen weight in 4 bits, as a variable of the shape that the model knows. */
  quantizedVariable(quantized: QuantizedSlots, shape: readonly number[]): tf.Variable {
    const dataId = {};
    this.entries.set(dataId, { slot: quantized.packed, references: 1, dtype: 'float32', quantized });
    return tf.tidy(() => tf.variable(tf.engine().makeTensorFromTensorInfo({ dataId, shape: [...shape], dtype: 'float32' }), false));
  }

  /** The float32 master copy of a weight, or its only copy. */
  masterOf(tensor: { dataId: tf.DataId }): Slot {
    const entry = this.entry(tensor.dataId);
    return entry.master ?? entry.slot;
  }

  /** Whether the weight has a working copy beside its master. */
  hasWorkingCopy(tensor: { dataId: tf.DataId }): boolean {
    return this.entry(tensor.dataId).master !== undefined;
  }

  setMaster(tensor: { dataId: tf.DataId }, master: Slot): void {
    this.entry(tensor.dataId).master = master;
  }

  /** Whether the tensor hangs on the graph that is being recorded. */
  needsGrad(tensor: { dataId: tf.DataId }): boolean {
    return torch().needsGrad(this.slotOf(tensor));
  }

  /** A new slot for the same data. */
  alias(tensor: { dataId: tf.DataId }): Slot {
    return track(torch().alias(this.slotOf(tensor)));
  }

  upload(values: Float32Array, shape: readonly number[]): Slot {
    return torch().fromBytes(values, scalarType.float32, shape, scalarType.float32, this.device);
  }

  readFloats(slot: Slot): Float32Array {
    const values = new Float32Array(tf.util.sizeFromShape(describe(slot).shape));
    torch().toBytes(slot, values, scalarType.float32);
    return values;
  }

  /** A tfjs variable that owns the slot. */
  variable(slot: Slot, trainable: boolean): tf.Variable {
    return tf.tidy(() => tf.variable(this.tensor(slot), trainable));
  }

  /** Gives a slot to tfjs as a tensor's data. */
  adopt(slot: Slot): tf.TensorInfo {
    const { shape, type } = describe(slot);
    const dtype = dtypeOf(type);
    const dataId = {};
    this.entries.set(dataId, { slot, references: 1, dtype });
    return { dataId, shape, dtype };
  }

  /** Gives a slot to tfjs as a tensor, freed by the surrounding `tidy` or by `dispose`. */
  tensor<T extends tf.Tensor>(slot: Slot): T {
    return tf.engine().makeTensorFromTensorInfo(this.adopt(slot)) as T;
  }

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(dataId: tf.DataId, values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType, references: number): void {
    const stored = storedTypes[dtype];
    if (stored === undefined) throw new Error(`internal: the torch engine holds no tensors of dtype ${dtype}`);
    const [bytes, given] = hostValues(values, shape, dtype);
    this.entries.set(dataId, { slot: torch().fromBytes(bytes, given, shape, stored, this.device), references, dtype });
  }

  override readSync(dataId: tf.DataId): tf.backend_util.BackendValues {
    const { slot, dtype } = this.entry(dataId);
    const size = tf.util.sizeFromShape(describe(slot).shape);
    const [values, type] =
      dtype === 'float32'
        ? [new Float32Array(size), scalarType.float32]
        : dtype === 'bool'
          ? [new Uint8Array(size), scalarType.uint8]
          : [new Int32Array(size), scalarType.int32];
    torch().toBytes(slot, values, type);
    return values;
  }

  override async read(dataId: tf.DataId): Promise<tf.backend_util.BackendValues> {
    const values = this.readSync(dataId);
    // a loop that awaits results would otherwise never let the event loop run: Ctrl-C went unheard until its end
    await setImmediate();
    return values;
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    const entry = this.entries.get(dataId);
    if (!entry) return true;
    entry.references--;
    if (!force && entry.references > 0) return false;
    this.entries.delete(dataId);
    if (entry.quantized) slotsOf(entry.quantized).forEach((slot) => freeSlot(slot));
    else freeSlot(entry.slot);
    if (entry.master !== undefined) freeSlot(entry.master);
    return true;
  }

  override incRef(dataId: tf.DataId): void {
    this.entry(dataId).references++;
  }

  override refCount(dataId: tf.DataId): number {
    return this.entries.get(dataId)?.references ?? 0;
  }

  override numDataIds(): number {
    return this.entries.size;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override timerAvailable(): boolean {
    return false;
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {
    for (const dataId of [...this.entries.keys()]) this.disposeData(dataId, true);
  }
}

function hostValues(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): [ArrayBufferView, number] {
  // tfjs writes null for a tensor to be filled later, and plain arrays for small ones
  const given: ArrayLike<number> = (values as ArrayLike<number> | null) ?? new Float32Array(tf.util.sizeFromShape(shape));
  const name = Object.prototype.toString.call(given);
  if (dtype === 'float32')
    return [name === '[object Float32Array]' ? (given as Float32Array) : Float32Array.from(given), scalarType.float32];
  if (dtype === 'int32') return [name === '[object Int32Array]' ? (given as Int32Array) : Int32Array.from(given), scalarType.int32];
  return [name === '[object Uint8Array]' ? (given as Uint8Array) : Uint8Array.from(given), scalarType.uint8];
}

/** Registers a kernel of the torch backend under tfjs's name for it. Twice the same name is a bug of ours. */
export function defineKernel<A extends object = Record<string, never>>(kernelName: string, kernel: Kernel<A>): void {
  tf.registerKernel({
    kernelName,
    backendName: 'torch',
    kernelFunc: ({ inputs, backend, attrs }) => {
      const own = backend as TorchBackend;
      const given: Record<string, KernelInput> = {};
      const named = inputs as Record<string, tf.TensorInfo | undefined>;
      for (const name in named) {
        const info = named[name];
        if (info) given[name] = { slot: own.slotOf(info), shape: info.shape, dtype: info.dtype };
      }
      const result = scoped(() => kernel(given, attrs as unknown as A, own));
      return Array.isArray(result) ? result.map((slot) => own.adopt(slot)) : own.adopt(result as Slot);
    },
  });
}

/** The inputs of a kernel that takes a list (Concat, Pack, AddN), in order. */
export function inputList(inputs: KernelInputs): KernelInput[] {
  return Object.keys(inputs)
    .sort((a, b) => Number(a) - Number(b))
    .map((key) => inputs[key]);
}
