import { UserError } from '../../util/errors';
import { describeValue, isKind, type PickleValue } from './pickleValue';
import type { PickleHost } from './unpickle';

/** A run of values that tensors are views of. */
export interface Storage {
  /** Its name in the container. */
  key: string;
  /** As safetensors spells it. */
  dtype: string;
  /** Bytes a value. */
  width: number;
  /** Values. */
  count: number;
}

/** A tensor as PyTorch keeps it: every index's value lies at `offset` + the sum of index times stride, counted in values. */
export interface PickledTensor {
  storage: Storage;
  offset: number;
  shape: readonly number[];
  strides: readonly number[];
}

/** PyTorch's storage classes: safetensors' name of the type, and bytes a value. */
const STORAGES: Readonly<Record<string, readonly [dtype: string, width: number]>> = {
  FloatStorage: ['F32', 4],
  HalfStorage: ['F16', 2],
  BFloat16Storage: ['BF16', 2],
  DoubleStorage: ['F64', 8],
  LongStorage: ['I64', 8],
  IntStorage: ['I32', 4],
  ShortStorage: ['I16', 2],
  CharStorage: ['I8', 1],
  ByteStorage: ['U8', 1],
  BoolStorage: ['BOOL', 1],
};

const TENSOR = 'tensor';
const STORAGE = 'storage';

/**
 * What a state dict's pickle may name: dictionaries, tensors, parameters and storages, each made of plain data here.
 * @param place the file, in front of every message
 */
export function torchHost(place: string): PickleHost {
  const fail = (what: string): UserError => new UserError(`${place}: damaged checkpoint: ${what}`);
  const storages = new Map<string, Storage>();

  const storageOf = (id: PickleValue): PickleValue => {
    if (!isKind(id, 'tuple')) throw fail(`${describeValue(id)} in place of a storage`);
    const [tag, type, key, , count, view] = id.items;
    const [, name] = isKind(type, 'global') ? type.name.split(' ') : [];
    const known = name !== undefined && Object.hasOwn(STORAGES, name) ? STORAGES[name] : undefined;
    if (tag !== 'storage' || typeof key !== 'string' || !known) throw fail(`${describeValue(type)} in place of a storage's type`);
    if (!isSize(count)) throw fail(`storage ${key} has ${describeValue(count)} values; it must be a whole number`);
    // views of storages were written by releases before 0.4 alone
    if (view !== undefined && view !== null) throw fail(`storage ${key} is a view of another; save the model with a newer PyTorch`);
    const [dtype, width] = known;
    const seen = storages.get(key);
    if (seen && (seen.dtype !== dtype || seen.count !== count))
      throw fail(`storage ${key} is both ${seen.count} values of ${seen.dtype} and ${count} of ${dtype}`);
    const storage = seen ?? { key, dtype, width, count };
    storages.set(key, storage);
    return { kind: 'made', what: STORAGE, value: storage };
  };

  const tensor = (args: readonly PickleValue[]): PickleValue => {
    const [storage, offset, size, stride] = args;
    if (!isKind(storage, 'made') || storage.what !== STORAGE) throw fail(`a tensor over ${describeValue(storage)}`);
    const shape = sizes(size);
    const strides = sizes(stride);
    if (!shape || !strides || shape.length !== strides.length || !isSize(offset))
      throw fail('a tensor whose offset, sizes and strides are not whole numbers of 0 or more, a stride for each size');
    const value: PickledTensor = { storage: storage.value as Storage, offset, shape, strides };
    const { key, count } = value.storage;
    const last = lastPlace(value);
    if (last >= count) throw fail(`a tensor [${shape.join(', ')}] reaches value ${last} of storage ${key}, which has ${count}`);
    return { kind: 'made', what: TENSOR, value };
  };

  const parameter = ([data]: readonly PickleValue[]): PickleValue => {
    if (!isKind(data, 'made') || data.what !== TENSOR) throw fail(`a parameter that holds ${describeValue(data)}`);
    return data;
  };

  const dictionary = ([pairs]: readonly PickleValue[]): PickleValue => {
    const entries = new Map<PickleValue, PickleValue>();
    if (pairs !== undefined) {
      if (!isKind(pairs, 'list')) throw fail(`an OrderedDict of ${describeValue(pairs)}`);
      for (const pair of pairs.items) {
        if ((!isKind(pair, 'list') && !isKind(pair, 'tuple')) || pair.items.length !== 2) throw fail('an OrderedDict of what are no pairs');
        entries.set(pair.items[0], pair.items[1]);
      }
    }
    return { kind: 'dict', entries };
  };

  return {
    globals: new Map([
      ['collections OrderedDict', dictionary],
      ['torch._utils _rebuild_tensor_v2', tensor],
      ['torch._utils _rebuild_tensor', tensor],
      ['torch._utils _rebuild_parameter', parameter],
      ...Object.keys(STORAGES).flatMap((name) => ['torch', 'torch.cuda'].map((module) => [`${module} ${name}`, null] as const)),
    ]),
    persistent: storageOf,
  };
}

/**
 * The tensors of a state dict by name; numbers and texts beside them have no effect on a model and are left out.
 * @throws UserError where it is none
 */
export function stateDict(value: PickleValue, place: string): Map<string, PickledTensor> {
  const wanted = "it must be a model's state dict: tensors by name";
  if (!isKind(value, 'dict')) throw new UserError(`${place}: holds ${describeValue(value)}; ${wanted}`);
  const tensors = new Map<string, PickledTensor>();
  for (const [name, entry] of value.entries)
    if (typeof name === 'string' && isKind(entry, 'made') && entry.what === TENSOR) tensors.set(name, entry.value as PickledTensor);
  if (tensors.size === 0) {
    const keys = [...value.entries.keys()].slice(0, 8).map(describeValue).join(', ');
    throw new UserError(`${place}: holds no tensor at its top (its keys: ${keys || 'none'}); ${wanted}`);
  }
  return tensors;
}

/** Whether a tensor's values lie one after the other, in order. */
export function isContiguous({ shape, strides }: PickledTensor): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return shape.includes(0);
    expected *= shape[axis];
  }
  return true;
}

/** The place of a tensor's last value in its storage; -1 where it has none. */
export function lastPlace({ offset, shape, strides }: PickledTensor): number {
  return shape.includes(0) ? -1 : shape.reduce((place, size, axis) => place + (size - 1) * strides[axis], offset);
}

function isSize(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function sizes(value: PickleValue | undefined): number[] | undefined {
  return isKind(value, 'tuple') && value.items.every(isSize) ? (value.items as number[]) : undefined;
}
