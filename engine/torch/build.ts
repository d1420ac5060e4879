import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../../util/errors';
import { contentHash } from '../../util/files';
import { packageRoot } from '../../util/packageRoot';
import type { Progress } from '../../util/progress';
import { compileAddon, type AddonPlan } from '../compileAddon';
import type { Torch } from './locate';

/** The C++ ABI that this torch was compiled with; every pip build since 2.7 has the new one. */
function cxx11Abi(torch: Torch): string {
  const config = join(torch.folder, 'share/cmake/Torch/TorchConfig.cmake');
  return (existsSync(config) && /_GLIBCXX_USE_CXX11_ABI=([01])/.exec(readFileSync(config, 'utf8'))?.[1]) || '1';
}

function planBuild(torch: Torch, source = join(packageRoot(), 'engine/torch/binding.cc')): AddonPlan {
  const lib = join(torch.folder, 'lib');
  const include = [
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
  return { source, target: join(packageRoot(), 'build', `torch-${torch.version}-${hash}.node`), args };
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
