import type { FileHandle } from 'node:fs/promises';
import { UserError } from '../../util/errors';
import { readFully } from '../fileValues';
import { describeValue, isKind, type PickleValue } from './pickleValue';
import type { TorchContainer } from './torchContainer';
import { torchHost, type Storage } from './torchObjects';
import { PickleEndError, unpickle, type PickleHost } from './unpickle';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
const FIRST_HEAD = 1 << 20;
const LONGEST_HEAD = 1 << 28;

/** The pickles in front of the values. */
interface Head {
  value: PickleValue;
  /** Keys of the storages, in the order of their values. */
  keys: string[];
  storages: ReadonlyMap<string, Storage>;
  end: number;
}

/**
 * PyTorch's format before 1.6: five pickles (magic number, protocol, system, state dict, keys of the storages), then for each storage
 * its count of values in 8 bytes, and the values.
 * @throws UserError naming the file, what was found and what is allowed
 */
export async function readTorchLegacy(handle: FileHandle, path: string): Promise<TorchContainer> {
  const { size: fileBytes } = await handle.stat();
  const head = await readHead(handle, path, fileBytes);
  const places = new Map<string, { start: number; bytes: number }>();
  let at = head.end;
  const countBytes = Buffer.alloc(8);
  for (const key of head.keys) {
    const storage = head.storages.get(key);
    if (!storage) throw new UserError(`${path}: storage ${key} belongs to no tensor`);
    if (places.has(key)) throw new UserError(`${path}: storage ${key} is listed twice`);
    if (at + 8 > fileBytes) throw new UserError(`${path}: truncated: storage ${key} begins at byte ${at}, the file has ${fileBytes} bytes`);
    await readFully(handle, path, countBytes, at);
    const count = countBytes.readBigInt64LE();
    if (count !== BigInt(storage.count))
      throw new UserError(`${path}: storage ${key} holds ${count} values, its tensors say ${storage.count}`);
    const bytes = storage.count * storage.width;
    if (at + 8 + bytes > fileBytes)
      throw new UserError(`${path}: truncated: storage ${key} ends at byte ${at + 8 + bytes}, the file has ${fileBytes} bytes`);
    places.set(key, { start: at + 8, bytes });
    at += 8 + bytes;
  }
  return { value: head.value, locate: (key) => places.get(key) };
}

/** The pickles' length is known when they are read: more of the file is taken until they fit. */
async function readHead(handle: FileHandle, path: string, fileBytes: number): Promise<Head> {
  for (let length = Math.min(FIRST_HEAD, fileBytes); ; length = Math.min(4 * length, fileBytes, LONGEST_HEAD)) {
    const bytes = Buffer.alloc(length);
    await readFully(handle, path, bytes, 0);
    try {
      return parseHead(bytes, path);
    } catch (error) {
      if (!(error instanceof PickleEndError) || length === fileBytes || length === LONGEST_HEAD) throw error;
    }
  }
}

function parseHead(bytes: Buffer, path: string): Head {
  let end = 0;
  const next = (host: PickleHost): PickleValue => {
    const pickle = unpickle(bytes, host, path, end);
    end = pickle.end;
    return pickle.value;
  };
  const plain: PickleHost = {
    globals: new Map(),
    persistent: () => {
      throw new UserError(`${path}: damaged checkpoint: a storage where plain data belong`);
    },
  };
  if (next(plain) !== MAGIC) throw new UserError(`${path}: not a PyTorch checkpoint: a pickle without PyTorch's magic number`);
  const protocol = next(plain);
  if (protocol !== PROTOCOL) throw new UserError(`${path}: PyTorch format ${describeValue(protocol)}; ${PROTOCOL} can be read`);
  const system = next(plain);
  if (isKind(system, 'dict') && system.entries.get('little_endian') === false)
    throw new UserError(`${path}: was written on a big-endian machine; only little-endian values can be read`);
  const host = torchHost(path);
  const storages = new Map<string, Storage>();
  const value = next({
    ...host,
    persistent: (id) => {
      const made = host.persistent(id);
      if (isKind(made, 'made')) storages.set((made.value as Storage).key, made.value as Storage);
      return made;
    },
  });
  const list = next(plain);
  if (!isKind(list, 'list') || !list.items.every((key) => typeof key === 'string'))
    throw new UserError(`${path}: damaged checkpoint: the keys of its storages are no list of texts`);
  return { value, keys: list.items as string[], storages, end };
}
