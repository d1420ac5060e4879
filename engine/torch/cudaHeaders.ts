import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Torch } from './locate';

/** Both are needed, and torch's own packages bring the first without the second. */
const NEEDED = ['cuda_runtime_api.h', 'crt/host_defines.h'];

/**
 * A folder with the headers of the CUDA that torch was built for: of `CUDA_HOME` or `CUDA_PATH`, of the packages that pip installs beside
 * torch (Triton carries a whole set), or of the system's toolkit. Another minor version serves, another major one does not.
 */
export function cudaHeaders(
  { folder, cudaVersion }: Torch,
  environment: NodeJS.ProcessEnv = process.env,
): { folder: string } | { missing: string } {
  const packages = dirname(folder);
  const major = Number(cudaVersion?.split('.')[0]);
  const homes = [environment.CUDA_HOME, environment.CUDA_PATH].filter((home) => home !== undefined && home !== '') as string[];
  const folders = [
    ...homes.map((home) => join(home, 'include')),
    join(packages, `nvidia/cu${major}/include`),
    join(packages, 'nvidia/cuda_runtime/include'),
    join(packages, 'triton/backends/nvidia/include'),
    '/usr/local/cuda/include',
  ];
  const found = folders.find((candidate) => NEEDED.every((file) => existsSync(join(candidate, file))) && majorOf(candidate) === major);
  if (found !== undefined) return { folder: found };
  return { missing: `no headers of CUDA ${major} found (${NEEDED.join(', ')}): set CUDA_HOME to a toolkit and run \`npm run build\`` };
}

/** CUDA's major version by its own header: 13 for 13.1. */
function majorOf(folder: string): number {
  const version = /#define\s+CUDART_VERSION\s+(\d+)/.exec(readFileSync(join(folder, NEEDED[0]), 'utf8'));
  return version ? Math.floor(Number(version[1]) / 1000) : NaN;
}
