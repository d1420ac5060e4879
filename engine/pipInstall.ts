import { spawn, spawnSync } from 'node:child_process';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { UserError } from '../util/errors';
import { fileError } from '../util/files';
import type { Progress } from '../util/progress';

/** A Python package to install in a folder of its own. */
export interface PipPackage {
  /** For people. */
  name: string;
  /** Tried in this order until one can be had. */
  requirements: readonly string[];
  /** The folder to make. */
  target: string;
  /** The variable that names one that is there. */
  variable: string;
  /** Further arguments of pip's. */
  options?: readonly string[];
}

interface PipResult {
  ok: boolean;
  /** pip's own last error line. */
  error: string;
}

/** `pip install --target`: needs no venv module, and leaves the user's own packages alone. */
function pipInstall(requirement: string, target: string, options: readonly string[], onLine: (line: string) => void): Promise<PipResult> {
  const args = [
    '-m',
    'pip',
    'install',
    '--target',
    target,
    '--no-input',
    '--disable-pip-version-check',
    '--progress-bar',
    'off',
    ...options,
    requirement,
  ];
  return new Promise((done) => {
    // PIP_USER contradicts --target; PYTHONPATH must not make pip think that something is there already
    const child = spawn('python3', args, { env: { ...process.env, PIP_USER: '0' }, stdio: ['ignore', 'pipe', 'pipe'] });
    let error = '';
    createInterface({ input: child.stdout }).on('line', onLine);
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.startsWith('ERROR:') || !error) error = line.replace(/^ERROR:\s*/, '');
    });
    child.on('error', (reason) => done({ ok: false, error: reason.message }));
    child.on('close', (code) => done({ ok: code === 0, error: error || `exit code ${code}` }));
  });
}

function requirePip(variable: string): void {
  const python = spawnSync('python3', ['--version'], { encoding: 'utf8', env: process.env });
  if (python.status !== 0)
    throw new UserError(
      'python3 is missing: install Python 3.10 or newer with pip (Debian, Ubuntu: apt install python3 python3-pip), or set ' + variable,
    );
  if (spawnSync('python3', ['-m', 'pip', '--version'], { encoding: 'utf8', env: process.env }).status !== 0)
    throw new UserError(
      'python3 has no pip: install it (Debian, Ubuntu: apt install python3-pip; elsewhere: python3 -m ensurepip), or set ' + variable,
    );
}

/** Installations that were cut off: their process is gone. */
async function removeStale(target: string): Promise<void> {
  const prefix = `${basename(target)}.partial-`;
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(prefix)) continue;
    try {
      process.kill(Number(name.slice(prefix.length)), 0);
    } catch {
      await rm(join(dirname(target), name), { recursive: true, force: true });
    }
  }
}

/**
 * Installs a package with pip. It is put together beside its folder and renamed when whole: a run that was cut off leaves nothing to be
 * taken for a package.
 * @throws UserError saying what is missing, or with pip's own error
 */
export async function installPackage(
  { name, requirements, target, variable, options = [] }: PipPackage,
  progress: Progress,
): Promise<void> {
  requirePip(variable);
  const partial = `${target}.partial-${process.pid}`;
  try {
    await mkdir(dirname(target), { recursive: true });
    await removeStale(target);
    let result: PipResult = { ok: false, error: '' };
    for (const requirement of requirements) {
      const stage = `installing ${requirement} into ${target}`;
      progress({ stage, done: 0, total: 1 });
      result = await pipInstall(requirement, partial, options, (line) =>
        progress({ stage, done: 0, total: 1, fields: { pip: line.trim().slice(0, 100) } }),
      );
      if (result.ok) {
        progress({ stage, done: 1, total: 1 });
        break;
      }
    }
    if (!result.ok) throw new UserError(`pip could not install ${name}: ${result.error}; install it yourself, or set ${variable}`);
    await rm(target, { recursive: true, force: true });
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw fileError(error, `install ${name} into`, target);
  }
}
