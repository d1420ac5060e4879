import type { FileHandle } from 'node:fs/promises';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { UserError } from '../../util/errors';
import { readFully } from '../fileValues';
import type { TorchContainer } from './torchContainer';
import { torchHost } from './torchObjects';
import { unpickle } from './unpickle';

/** Far above what any state dict's names and shapes take. */
const LONGEST_PICKLE = 1 << 28;

/**
 * PyTorch's zip format (since 1.6): `NAME/data.pkl` and each storage as `NAME/data/KEY`, none of them compressed.
 * @throws UserError naming the file, the entry, what was found and what is allowed
 */
export async function readTorchZip(handle: FileHandle, path: string): Promise<TorchContainer> {
  const { size: fileBytes } = await handle.stat();
  const members = await zipMembers(path, fileBytes);
  const pickles = [...members.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1)
    throw new UserError(`${path}: a zip archive with ${pickles.length} data.pkl; a PyTorch checkpoint has one, in a folder`);
  const root = pickles[0].slice(0, -'data.pkl'.length);

  const byteorder = members.get(`${root}byteorder`);
  if (byteorder) {
    const order = await content(handle, path, byteorder, 16);
    if (order.toString('latin1') !== 'little')
      throw new UserError(`${path}: byteorder is ${JSON.stringify(order.toString('latin1'))}; it must be little`);
  }
  const pickle = await content(handle, path, members.get(pickles[0])!, LONGEST_PICKLE);
  return {
    value: unpickle(pickle, torchHost(path), path).value,
    locate: (key) => members.get(`${root}data/${key}`),
  };
}

interface Member {
  start: number;
  bytes: number;
}

async function content(handle: FileHandle, path: string, { start, bytes }: Member, most: number): Promise<Buffer> {
  if (bytes > most) throw new UserError(`${path}: data.pkl or byteorder has ${bytes} bytes; at most ${most} are allowed`);
  const buffer = Buffer.alloc(bytes);
  await readFully(handle, path, buffer, start);
  return buffer;
}

/** Where every entry's bytes lie. */
async function zipMembers(path: string, fileBytes: number): Promise<Map<string, Member>> {
  let zip: ZipFile | undefined;
  try {
    zip = await openPromise(path, { lazyEntries: true, autoClose: false });
    const members = new Map<string, Member>();
    for await (const entry of zip.eachEntry()) {
      const { fileName } = entry;
      if (fileName.endsWith('/')) continue;
      if (members.has(fileName)) throw new UserError(`${path}: ${fileName} is in the archive twice`);
      checkStored(entry, path);
      const { fileDataStart: start } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      const bytes = entry.uncompressedSize;
      if (start + bytes > fileBytes)
        throw new UserError(
          `${path}: ${fileName} ends at byte ${start + bytes}, but the file has ${fileBytes}: it is truncated or damaged`,
        );
      members.set(fileName, { start, bytes });
    }
    return members;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path}: not a PyTorch checkpoint that can be read: ${(error as Error).message}`);
  } finally {
    zip?.close();
  }
}

function checkStored({ fileName, compressionMethod, compressedSize, uncompressedSize }: Entry, path: string): void {
  if (compressionMethod !== 0 || compressedSize !== uncompressedSize)
    throw new UserError(`${path}: ${fileName} is compressed; PyTorch stores its entries as they are`);
}
