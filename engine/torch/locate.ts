import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../util/errors';
import { defaultCacheFolder } from '../../util/files';
import { findPythonPackage, type PackageSource } from '../pythonPackage';

/** A libtorch to build and load the engine against. */
export interface Torch {
  /** The `torch` package's folder, which holds `lib/` and `include/`. */
  folder: string;
  /** e.g. `2.13.0+cpu` */
  version: string;
  /** Whether it was built for CUDA (it carries libtorch_cuda.so); says nothing about a card. */
  cuda: boolean;
  /** The version of CUDA that it was built with, e.g. `13.0`. */
  cudaVersion?: string;
  source: PackageSource<'DPO_TORCH'>;
  /** Lines for people: what was passed over on the way, and why. */
  notices: string[];
}

/** Oldest version whose operators' schemas match those that the kernels use. */
export const OLDEST_TORCH = '2.11';

/** Where set-up installs a torch of its own when there is none: `torch-env` in the cache folder. */
export function privateTorchFolder(): string {
  return join(defaultCacheFolder(), 'torch-env');
}

function isOlder(version: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_TORCH.split('.').map(Number);
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

/** Reads what a torch package's folder holds; a string says why it is none that the engine can be built against. */
function inspect(folder: string, source: Torch['source']): Torch | string {
  const versionFile = join(folder, 'version.py');
  if (!existsSync(versionFile)) return `${folder} holds no torch package`;
  const text = readFileSync(versionFile, 'utf8');
  const version = /^__version__\s*=\s*['"]([^'"]+)['"]/m.exec(text)?.[1];
  const cudaVersion = /^cuda\b[^=\n]*=\s*['"]([^'"]+)['"]/m.exec(text)?.[1];
  if (version === undefined) return `${versionFile} names no version`;
  if (isOlder(version)) return `torch ${version} in ${folder} is older than ${OLDEST_TORCH}`;
  for (const needed of ['lib/libtorch_cpu.so', 'include/ATen/ATen.h'])
    if (!existsSync(join(folder, needed))) return `torch ${version} in ${folder} lacks ${needed}`;
  // the real path: two names of one torch share one build
  const cuda = existsSync(join(folder, 'lib/libtorch_cuda.so'));
  return { folder: realpathSync(folder), version, cuda, ...(cudaVersion !== undefined && { cudaVersion }), source, notices: [] };
}

/**
 * Finds torch: the folder that `DPO_TORCH` names (site-packages or the torch folder itself), else the torch that `python3`
 * imports, else the one that set-up made. One that cannot be used is passed over, and a notice says so.
 * @throws UserError when there is none
 */
export function locateTorch(): Torch {
  const found = findTorch();
  if (found.torch) return found.torch;
  throw new UserError(
    [...found.notices, 'no torch to run on: run `npm run build`, which installs one, or set DPO_TORCH to a folder that holds it'].join(
      '; ',
    ),
  );
}

/** As `locateTorch`, without the error: `torch` is undefined when there is none. */
export function findTorch(): { torch?: Torch; notices: string[] } {
  const { found, notices } = findPythonPackage('torch', 'DPO_TORCH', privateTorchFolder(), inspect);
  return { ...(found && { torch: { ...found, notices } }), notices };
}
