import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../../util/errors';
import { contentHash } from '../../util/files';
import { packageRoot } from '../../util/packageRoot';
import type { Progress } from '../../util/progress';
import { compileAddon, type AddonPlan } from '../compileAddon';
import { cudaHeaders } from './cudaHeaders';
import type { Torch } from './locate';

/** The C++ ABI that this torch was compiled with; every pip build since 2.7 has the new one. */
function cxx11Abi(torch: Torch): string {
  const config = join(torch.folder, 'share/cmake/Torch/TorchConfig.cmake');
  return (existsSync(config) && /_GLIBCXX_USE_CXX11_ABI=([01])/.exec(readFileSync(config, 'utf8'))?.[1]) || '1';
}

/** @param extra folders of headers  @param name what the file is named after, beside torch's version */
function planBuild(torch: Torch, source = ownSource('binding.cc'), extra: readonly string[] = [], name = 'torch'): AddonPlan {
  const lib = join(torch.folder, 'lib');
  const include = [
    ...extra,
    join(torch.folder, 'include'),
    join(torch.folder, 'include/torch/csrc/api/include'),
    (require('node-api-headers') as { include_dir: string }).include_dir,
  ];
  const args = [
    // without these two the loops of rowMath.h are not vectorised; no value changes
    ...[
      '-O2',
      '-fno-trapping-math',
      '-fno-math-errno',
      '-std=c++20',
      '-shared',
      '-fPIC',
      `-D_GLIBCXX_USE_CXX11_ABI=${cxx11Abi(torch)}`,
      '-DNAPI_VERSION=8',
    ],
    ...include.flatMap((folder) => ['-isystem', folder]),
    source,
    `-L${lib}`,
    ...(torch.cuda ? ['-Wl,--no-as-needed', '-ltorch_cuda', '-lc10_cuda'] : []),
    ...['-ltorch', '-ltorch_cpu', '-lc10', '-ldl', `-Wl,-rpath,${lib}`],
  ];
  const headers = readdirSync(dirname(source))
    .filter((name) => /\.(h|cu)$/.test(name))
    .sort()
    .map((name) => join(dirname(source), name));
  const hash = contentHash(
    ...[source, ...headers].map((file) => readFileSync(file)),
    ...args,
    torch.version,
    process.platform,
    process.arch,
  ).slice(0, 16);
  return { source, target: join(packageRoot(), 'build', `${name}-${torch.version}-${hash}.node`), args };
}

function ownSource(name: string): string {
  return join(packageRoot(), 'engine/torch', name);
}

/** How `graphs.cc` is built; a string says why it cannot be. */
function planGraphs(torch: Torch): AddonPlan | string {
  if (!torch.cuda) return 'this torch is built for CPUs alone';
  const headers = cudaHeaders(torch);
  return 'missing' in headers ? headers.missing : planBuild(torch, ownSource('graphs.cc'), [headers.folder], 'torch-graphs');
}

/** Where the addon that records CUDA graphs lies; why there is none in `missing`. */
export function graphsPath(torch: Torch): { path: string } | { missing: string } {
  const plan = planGraphs(torch);
  if (typeof plan === 'string') return { missing: plan };
  return existsSync(plan.target) ? { path: plan.target } : { missing: 'their addon is not built: run `npm run build`' };
}

/**
 * Compiles that addon (10 s), unless it is there. @returns its path, or why there is none: everything else works without it
 * @throws UserError with the compiler's words
 */
export async function buildGraphs(torch: Torch, progress: Progress): Promise<{ path: string } | { missing: string }> {
  const plan = planGraphs(torch);
  if (typeof plan === 'string') return { missing: plan };
  return { path: await compileAddon(plan, `compiling CUDA graphs for torch ${torch.version}`, progress) };
}

/**
 * Where the addon for this torch lies.
 * @throws UserError when it has not been built
 */
export function bindingPath(torch: Torch): string {
  const { target } = planBuild(torch);
  if (!existsSync(target))
    throw new UserError(`the torch engine is not built for torch ${torch.version} in ${torch.folder}: run \`npm run build\``);
  return target;
}

/**
 * Compiles the Node-API addon against `torch` (12 s), unless it is there, and returns its path.
 * @param source the C++ file; the engine's own by default
 * @throws UserError without a compiler, or with the first lines of its errors and the command
 */
export async function buildBinding(torch: Torch, progress: Progress, source?: string): Promise<string> {
  const { target, args, source: file } = planBuild(torch, source);
  return compileAddon({ source: file, target, args }, `compiling the torch engine for torch ${torch.version}`, progress);
}
