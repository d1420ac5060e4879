import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { UserError } from '../errors';
import { fileError, writeAtomic } from '../files';
import type { Progress } from '../progress';
import { downloadFile } from './downloadFile';
import {
  commitOf,
  filesOf,
  fileUrl,
  hubSettings,
  HubUnreachable,
  refusal,
  type HubRefusal,
  type HubFile,
  type HubSettings,
} from './hubClient';
import { repoText, type HubRepo } from './hubReference';

/** What of a repository is wanted, by path. @throws UserError where what is needed is not there */
export type ChooseFiles = (paths: readonly string[]) => readonly string[];

export interface SnapshotOptions {
  progress: Progress;
  /** A line for people: an answer from the cache because the hub is out of reach. */
  say: (line: string) => void;
  settings?: HubSettings;
  /** Passed on to each download. */
  patience?: number;
}

const COMMIT = /^[0-9a-f]{40}$/;
const MEGABYTE = 1e6;

/**
 * Brings files of a repository into the cache that Python's huggingface_hub uses, in its layout (`blobs`, `snapshots`, `refs`), and
 * downloads nothing that is there already. Offline, or where the hub cannot be reached, the last known commit in the cache is used.
 * @returns the snapshot's folder, in which the chosen files stand under their names
 * @throws UserError naming the repository and what is wrong
 */
export async function hubSnapshot(repo: HubRepo, choose: ChooseFiles, options: SnapshotOptions): Promise<string> {
  const settings = options.settings ?? hubSettings();
  if (settings.offline) return cached(repo, choose, settings, 'HF_HUB_OFFLINE is set');
  try {
    const commit = await commitOf(repo, settings);
    const all = await filesOf(repo, commit, settings);
    const wanted = new Set(choose(all.map(({ path }) => path)));
    const folder = await fetchFiles(
      repo,
      commit,
      all.filter(({ path }) => wanted.has(path)),
      settings,
      options,
    );
    if (!COMMIT.test(repo.revision)) await writeAtomic(join(repoFolder(repo, settings), 'refs', repo.revision), commit);
    return folder;
  } catch (error) {
    if (!(error instanceof HubUnreachable)) throw error;
    const folder = await cached(repo, choose, settings, error.message);
    options.say(`${error.message}; ${repoText(repo)} is taken from the cache`);
    return folder;
  }
}

function repoFolder({ kind, name }: HubRepo, { cacheFolder }: HubSettings): string {
  return join(cacheFolder, [`${kind}s`, ...name.split('/')].join('--'));
}

async function fetchFiles(
  repo: HubRepo,
  commit: string,
  files: readonly HubFile[],
  settings: HubSettings,
  { progress, patience }: SnapshotOptions,
): Promise<string> {
  const folder = repoFolder(repo, settings);
  const snapshot = join(folder, 'snapshots', commit);
  const blob = ({ etag }: HubFile): string => join(folder, 'blobs', etag);
  const missing = files.filter((file) => !existsSync(join(snapshot, file.path)));
  const absent = missing.filter((file) => !existsSync(blob(file)));
  const total = absent.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  const report = (file: HubFile, there: number, waiting?: string): void =>
    progress({
      stage: `download ${repoText(repo)} (MB)`,
      // rounded up: never 0 of 0 for small files
      done: Math.min(Math.ceil((before + there) / MEGABYTE), Math.ceil(total / MEGABYTE)),
      total: Math.ceil(total / MEGABYTE),
      fields: { file: file.path, ...(waiting !== undefined && { waiting }) },
    });
  for (const file of missing) {
    const target = blob(file);
    if (!existsSync(target)) {
      const refused = (answer: HubRefusal): UserError => refusal(repo, settings, answer, file.path);
      const onBytes = (there: number): void => report(file, there);
      const onWait = (there: number, seconds: number, why: string): void => report(file, there, `${Math.ceil(seconds)} s (${why})`);
      const options = { ...settings, ...(patience !== undefined && { patience }), refused, onBytes, onWait };
      await downloadFile(fileUrl(repo, commit, file.path, settings), target, file, options);
      before += file.size;
    }
    await link(target, join(snapshot, file.path));
  }
  return snapshot;
}

/** A relative link, as huggingface_hub makes them: the cache may be moved as a whole. */
async function link(target: string, path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    // a link whose blob was deleted stands in the way
    await rm(path, { force: true });
    await symlink(relative(dirname(path), target), path);
  } catch (error) {
    throw fileError(error, 'write', path);
  }
}

async function cached(repo: HubRepo, choose: ChooseFiles, settings: HubSettings, why: string): Promise<string> {
  const folder = repoFolder(repo, settings);
  const commit = COMMIT.test(repo.revision)
    ? repo.revision
    : (await readFile(join(folder, 'refs', repo.revision), 'utf8').catch(() => '')).trim();
  const snapshot = join(folder, 'snapshots', commit);
  const found = commit !== '' && (await stat(snapshot).catch(() => undefined))?.isDirectory() ? await walk(snapshot) : [];
  if (found.length === 0) throw new UserError(`${why}, and ${repoText(repo)} is neither on this disk nor in the hub's cache (${folder})`);
  // an interrupted download leaves links for what is whole: what is chosen must be there
  choose(found);
  return snapshot;
}

/** Files below a folder whose content is there, by relative path. */
async function walk(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  const kept = [];
  for (const entry of entries) if ((await stat(join(folder, entry)).catch(() => undefined))?.isFile()) kept.push(entry);
  return kept.sort();
}
