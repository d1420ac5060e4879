import { open, type FileHandle } from 'node:fs/promises';
import { UserError } from '../../util/errors';
import { fileError } from '../../util/files';
import { readFloats, readFully } from '../fileValues';
import type { StoredTensor, TensorFile } from '../tensorFile';
import type { TorchContainer } from './torchContainer';
import { readTorchLegacy } from './torchLegacy';
import { isContiguous, lastPlace, stateDict, type PickledTensor } from './torchObjects';
import { readTorchZip } from './torchZip';

/**
 * Opens a state dict that `torch.save` wrote (pytorch_model.bin), in the zip format or the one before it. Nothing in the file is run: its
 * pickle is read as data, and names of Python objects outside a short list are refused. Everything is checked against the
 * file before a value is read.
 * @throws UserError naming the file, what was found and what is allowed
 */
export async function readTorchFile(path: string): Promise<TensorFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw fileError(error, 'read', path);
  }
  try {
    const container = await readContainer(handle, path);
    const tensors = stateDict(container.value, path);
    const starts = new Map<string, number>();
    for (const [name, tensor] of tensors) starts.set(name, firstByte(container, name, tensor, path));
    return {
      path,
      entries: new Map([...tensors].map(([name, tensor]) => [name, entryOf(tensor)])),
      read: (name) => readTensor(handle, path, name, tensors.get(name), starts.get(name)!),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw fileError(error, 'read', path);
  }
}

async function readContainer(handle: FileHandle, path: string): Promise<TorchContainer> {
  const { size } = await handle.stat();
  const start = Buffer.alloc(Math.min(4, size));
  await readFully(handle, path, start, 0);
  if (start.toString('latin1') === 'PK\x03\x04') return readTorchZip(handle, path);
  if (start[0] === 0x80) return readTorchLegacy(handle, path);
  throw new UserError(
    `${path}: not a PyTorch checkpoint: begins with ${JSON.stringify(start.toString('latin1'))}; a zip archive or a pickle is allowed`,
  );
}

function entryOf({ storage, offset, shape, strides }: PickledTensor): StoredTensor {
  return { dtype: storage.dtype, shape, place: `${storage.key} ${offset} ${strides.join(' ')}` };
}

/** Where a tensor's storage begins in the file. @throws UserError for one that is not there or of another size */
function firstByte({ locate }: TorchContainer, name: string, { storage }: PickledTensor, path: string): number {
  const place = locate(storage.key);
  if (!place) throw new UserError(`${path}: tensor ${name}: its storage ${storage.key} is not in the file`);
  const expected = storage.count * storage.width;
  if (place.bytes !== expected)
    throw new UserError(
      `${path}: tensor ${name}: its storage ${storage.key} of ${storage.count} ${storage.dtype} takes ${expected} bytes, the file gives it ${place.bytes}`,
    );
  return place.start;
}

async function readTensor(
  handle: FileHandle,
  path: string,
  name: string,
  tensor: PickledTensor | undefined,
  storageStart: number,
): Promise<Float32Array> {
  if (!tensor) throw new UserError(`${path}: holds no tensor ${name}`);
  const { storage, offset, shape } = tensor;
  const start = storageStart + offset * storage.width;
  const count = shape.reduce((product, length) => product * length, 1);
  if (isContiguous(tensor)) return readFloats(handle, path, name, storage.dtype, start, count);
  const span = await readFloats(handle, path, name, storage.dtype, start, lastPlace(tensor) - offset + 1);
  return gathered(span, tensor, count);
}

/** A strided view's values in order; `span` begins at its first value. */
function gathered(span: Float32Array, { shape, strides }: PickledTensor, count: number): Float32Array {
  const values = new Float32Array(count);
  const index = shape.map(() => 0);
  for (let i = 0, place = 0; i < count; i++) {
    values[i] = span[place];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis];
      if (++index[axis] < shape[axis]) break;
      place -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return values;
}
