import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { UserError } from '../errors';
import { fileError } from '../files';
import { HubUnreachable, networkReason, refusalOf, type HubFile, type HubRefusal } from './hubClient';

/** Attempts in a row that bring no byte before a download is given up. */
const FRUITLESS_ATTEMPTS = 5;

export interface DownloadOptions {
  token?: string;
  /** What a refusal of the hub's own means; of another host's (where large files are) only the status is known. */
  refused?: (answer: HubRefusal) => UserError;
  /** Told of every piece: bytes of the file that are there. */
  onBytes?: (there: number) => void;
  /** Told before a wait that the hub asked for. */
  onWait?: (there: number, seconds: number, why: string) => void;
  /** Milliseconds before the second attempt, doubled for each further one; more where the hub says how long it will refuse. */
  patience?: number;
}

/**
 * Downloads a file to `target`, whole and with the right checksum, or not at all. What arrives is kept in `target.incomplete`, as
 * huggingface_hub does; a cut connection is taken up where it broke, in this run or a later one.
 * @throws UserError for a refused file, a wrong checksum (both named; the download is deleted), a full disk; HubUnreachable
 */
export async function downloadFile(url: string, target: string, file: HubFile, options: DownloadOptions = {}): Promise<void> {
  const partial = `${target}.incomplete`;
  try {
    await mkdir(dirname(target), { recursive: true });
  } catch (error) {
    throw fileError(error, 'write to', dirname(target));
  }
  let there = await sizeOf(partial);
  // more than the whole cannot be the beginning of it
  if (there > file.size) there = await remove(partial);
  for (let fruitless = 0; there < file.size || there === 0;) {
    const before = there;
    const trouble = await attempt(url, partial, there, file, options);
    there = await sizeOf(partial);
    if (trouble === undefined) break;
    const { why, wait = 0 } = trouble;
    fruitless = there > before ? 0 : fruitless + 1;
    if (fruitless >= FRUITLESS_ATTEMPTS)
      throw new HubUnreachable(`cannot download ${file.path}: ${why}; what has arrived is kept: run the command again to go on`);
    const patience = fruitless > 0 ? (options.patience ?? 1000) * 2 ** (fruitless - 1) : 0;
    if (wait > patience) options.onWait?.(there, wait / 1000, why);
    if (Math.max(patience, wait) > 0) await new Promise((resolve) => setTimeout(resolve, Math.max(patience, wait)));
  }
  const found = await checksum(partial, file);
  if (there !== file.size || found !== file.etag) {
    await rm(partial, { force: true });
    const wrong = there === file.size ? `${file.hash} ${found}; ${file.etag} is expected` : `${there} bytes; ${file.size} are expected`;
    throw new UserError(`${file.path} from ${new URL(url).origin} has ${wrong}. The download was deleted: run the command again`);
  }
  await rename(partial, target).catch((error: unknown) => {
    throw fileError(error, 'write', target);
  });
}

/** Why a request ended early, and the milliseconds for which the next would end the same way. */
interface Trouble {
  why: string;
  wait?: number;
}

/** One request for what is missing. @returns undefined where it brought all it promised */
async function attempt(
  url: string,
  partial: string,
  there: number,
  file: HubFile,
  { token, refused, onBytes }: DownloadOptions,
): Promise<Trouble | undefined> {
  const headers = {
    // a compressed answer would make ranges mean other bytes
    'Accept-Encoding': 'identity',
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    ...(there > 0 && { Range: `bytes=${there}-` }),
  };
  let response: Response;
  try {
    response = await fetch(url, { headers });
  } catch (error) {
    return { why: networkReason(error) };
  }
  if (response.status >= 500 || response.status === 429) return { why: `status ${response.status}`, ...limitOf(response) };
  if (response.status === 416) {
    await remove(partial);
    return { why: 'the server knows no such range' };
  }
  if (!response.ok || !response.body) {
    const [asked, answered] = [url, response.url || url].map((address) => new URL(address).origin);
    if (refused && !response.ok && asked === answered) throw refused(refusalOf(response));
    throw new UserError(`cannot download ${file.path} from ${answered}: status ${response.status}`);
  }
  // a server that ignores the range sends the file from its start
  const goesOn = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${there}-`) === true;
  let arrived = goesOn ? there : 0;
  const counted = async function* (source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    for await (const piece of source) {
      arrived += piece.length;
      onBytes?.(Math.min(arrived, file.size));
      yield piece;
    }
  };
  try {
    const body = Readable.fromWeb(response.body as ReadableStream);
    await pipeline(body, counted, createWriteStream(partial, { flags: goesOn ? 'a' : 'w' }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === 'write' || (error as NodeJS.ErrnoException).path !== undefined)
      throw fileError(error, 'write', partial);
    return { why: networkReason(error) };
  }
  return arrived < file.size ? { why: `the connection ended after ${arrived} of ${file.size} bytes` } : undefined;
}

/** The hub counts requests by windows of five minutes. */
const LONGEST_WAIT = 300;

/** How long a busy server asks to be left alone: `RateLimit: "resolvers";r=0;t=55` (seconds), or Retry-After. */
function limitOf({ headers }: Response): { wait?: number } {
  const seconds = Number(/\br=0;\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1] ?? headers.get('retry-after') ?? NaN);
  return seconds > 0 ? { wait: 1000 * Math.min(seconds, LONGEST_WAIT) } : {};
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

async function remove(path: string): Promise<number> {
  await rm(path, { force: true });
  return 0;
}

/** The checksum by which the hub knows a file: sha256 of its content, or git's sha1 over a header and the content. */
async function checksum(path: string, file: HubFile): Promise<string> {
  const hash: Hash = createHash(file.hash === 'sha256' ? 'sha256' : 'sha1');
  if (file.hash === 'git-sha1') hash.update(`blob ${await sizeOf(path)}\0`);
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  } catch (error) {
    throw fileError(error, 'read', path);
  }
  return hash.digest('hex');
}
