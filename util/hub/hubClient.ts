import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { HubApiError, ListFileEntry } from '@huggingface/hub';
import { UserError } from '../errors';
import { repoText, type HubRepo } from './hubReference';

/** Where the hub is and how to speak to it, from the environment variables that Python's huggingface_hub reads. */
export interface HubSettings {
  /** `HF_ENDPOINT`, without a slash at its end. */
  endpoint: string;
  /** `HF_TOKEN`, or what `hf auth login` stored. */
  token?: string;
  /** `HF_HUB_OFFLINE`. */
  offline: boolean;
  /** `HF_HUB_CACHE`, else `hub` in `HF_HOME`. */
  cacheFolder: string;
}

/** A file of a repository. */
export interface HubFile {
  path: string;
  /** Bytes. */
  size: number;
  /** sha256 of the content for large (LFS) files, git's sha1 of the blob for the others; also the name in the cache. */
  etag: string;
  hash: 'sha256' | 'git-sha1';
}

/** What the hub says where it refuses: its code is in X-Error-Code, its words in X-Error-Message. */
export interface HubRefusal {
  status: number;
  code?: string;
  message?: string;
}

/** A repository has no such revision. */
export class NoSuchRevision extends UserError {}

/** The hub could not be asked at all: no network, a time-out, a server in trouble. What is in the cache may still do. */
export class HubUnreachable extends UserError {}

/** Reads the settings. Empty variables count as not set, as in huggingface_hub. */
export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  const token = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || storedToken(env.HF_TOKEN_PATH || join(home, 'token'));
  return {
    endpoint: (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, ''),
    ...(token && { token }),
    offline: /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE || ''),
    cacheFolder: env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, 'hub'),
  };
}

function storedToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** The commit that a revision stands for. @throws UserError where there is none; HubUnreachable */
export async function commitOf(repo: HubRepo, settings: HubSettings): Promise<string> {
  const hub = await import('@huggingface/hub');
  const { sha } = await asked(repo, settings, async (protocol) => {
    const params = { name: repo.name, revision: repo.revision, additionalFields: ['sha' as const], ...protocol };
    // one call each: the two functions' parameter types differ
    return repo.kind === 'model' ? await hub.modelInfo(params) : await hub.datasetInfo(params);
  });
  return sha;
}

/** Every file of a repository at a commit. @throws UserError; HubUnreachable */
export async function filesOf(repo: HubRepo, commit: string, settings: HubSettings): Promise<HubFile[]> {
  const { listFiles } = await import('@huggingface/hub');
  return asked(repo, settings, async (protocol) => {
    const files: HubFile[] = [];
    const designation = { type: repo.kind, name: repo.name };
    for await (const entry of listFiles({ repo: designation, revision: commit, recursive: true, ...protocol }))
      if (entry.type === 'file') files.push(hubFile(entry));
    return files;
  });
}

function hubFile({ path, size, oid, lfs }: ListFileEntry): HubFile {
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..') || path.includes('\\') || path.startsWith('/'))
    throw new UserError(`the repository holds a file named "${path}", which points outside its folder: refused`);
  if (lfs) return { path, size: lfs.size, etag: lfs.oid, hash: 'sha256' };
  return { path, size, etag: oid ?? '', hash: 'git-sha1' };
}

/** The address of a file's content. */
export function fileUrl(repo: HubRepo, commit: string, path: string, { endpoint }: HubSettings): string {
  const folder = repo.kind === 'model' ? '' : 'datasets/';
  return `${endpoint}/${folder}${repo.name}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

interface Protocol {
  hubUrl: string;
  accessToken?: string;
  fetch: typeof fetch;
}

/** What an answer says of its refusal. */
export function refusalOf({ status, headers }: Response): HubRefusal {
  const [code, message] = [headers.get('x-error-code'), headers.get('x-error-message')];
  return { status, ...(code && { code }), ...(message && { message }) };
}

/** Asks the hub; its answers of refusal become one line that says what to do. */
async function asked<T>(repo: HubRepo, settings: HubSettings, ask: (protocol: Protocol) => Promise<T>): Promise<T> {
  let refused: HubRefusal | undefined;
  const noting: typeof fetch = async (url, init) => {
    // an answer that never comes must not hold the run for ever
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(60_000) });
    refused = response.ok ? undefined : refusalOf(response);
    return response;
  };
  const { endpoint, token } = settings;
  try {
    return await ask({ hubUrl: endpoint, fetch: noting, ...(token !== undefined && { accessToken: token }) });
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { statusCode, message } = error as HubApiError;
    if (error instanceof TypeError && message.startsWith('Your access token'))
      throw new UserError(`HF_TOKEN (or the stored token) is no token of the hub: they begin with hf_`);
    if (statusCode === undefined || statusCode >= 500 || statusCode === 429)
      throw new HubUnreachable(`${endpoint} cannot be reached for ${repoText(repo)}: ${networkReason(error)}`);
    throw refusal(repo, settings, { status: statusCode, message, ...refused });
  }
}

/** Why a request failed, as shortly as Node says it. */
export function networkReason(error: unknown): string {
  const { message, cause, statusCode } = error as HubApiError & { cause?: { code?: string; message?: string } };
  if (statusCode !== undefined) return `status ${statusCode}`;
  return cause?.code ?? cause?.message ?? message;
}

/** The hub's refusal in one line that says what to do. @param path the file that was asked for, if it was one */
export function refusal(repo: HubRepo, { endpoint, token: given }: HubSettings, answer: HubRefusal, path?: string): UserError {
  const { status, code, message = '' } = answer;
  const what = `${repo.kind} ${repo.name}`;
  const local = repo.kind === 'model' ? 'there is no such folder here' : 'there is no such file here';
  const token = given === undefined ? 'set HF_TOKEN' : 'the token given does not open it';
  if (code === 'RevisionNotFound' || (status === 404 && /^(invalid rev|revision not found)/i.test(message)))
    return new NoSuchRevision(`${what} on ${endpoint} has no revision "${repo.revision}"`);
  if (code === 'EntryNotFound') return new UserError(`${what} on ${endpoint} has no file ${path ?? 'of that name'} any more`);
  if (code === 'GatedRepo' || (status === 403 && message === ''))
    return new UserError(
      `${what} is gated: accept its terms at ${endpoint}/${repo.kind === 'model' ? '' : 'datasets/'}${repo.name}, and ${token}`,
    );
  if (status === 401 && given !== undefined && /^invalid credentials/i.test(message))
    return new UserError(`${endpoint} does not accept HF_TOKEN (or the stored token): it may have expired; give another, or none`);
  if (status === 401 || status === 404)
    return new UserError(`${repo.name}: ${local}, and no ${repo.kind} of that name on ${endpoint} (if it is private: ${token})`);
  return new UserError(`${endpoint} refused ${what}: ${message || `status ${status}`}`);
}
