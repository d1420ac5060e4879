import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../../util/errors';
import { contentHash } from '../../util/files';
import { packageRoot } from '../../util/packageRoot';
import type { Progress } from '../../util/progress';
import { compileAddon, type AddonPlan } from '../compileAddon';
import { findTensorflow, LIBRARIES, locateTensorflow, type Tensorflow } from './locate';

/** An addon to load. */
export interface TensorflowAddon {
  path: string;
  /** Where it comes from, for people. */
  origin: string;
}

function packageFolder(): string {
  return dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json'));
}

/** The addon that the package's own installation fetched, if it did. */
export function officialAddon(folder = packageFolder()): string | undefined {
  const lib = join(folder, 'lib');
  if (!existsSync(lib)) return undefined;
  return readdirSync(lib)
    .map((name) => join(lib, name, 'tfjs_binding.node'))
    .find(existsSync);
}

function planBuild({ folder, version }: Tensorflow): AddonPlan {
  const binding = join(packageFolder(), 'binding');
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(binding, name));
  const headers = [join(folder, 'include'), (require('node-api-headers') as { include_dir: string }).include_dir];
  const args = [
    ...['-O2', '-std=c++17', '-shared', '-fPIC', '-DNAPI_VERSION=8'],
    ...headers.flatMap((header) => ['-isystem', header]),
    ...sources,
    ...[`-L${folder}`, ...LIBRARIES.map((library) => `-l:${library}`), `-Wl,-rpath,${folder}`],
  ];
  const files = readdirSync(binding).sort();
  const hash = contentHash(...files.map((name) => readFileSync(join(binding, name))), ...args, version, process.platform, process.arch);
  return {
    source: sources[0],
    target: join(packageRoot(), 'build', `tensorflow-${version.replaceAll(' ', '-')}-${hash.slice(0, 16)}.node`),
    args,
  };
}

/**
 * The addon to load: the package's official one where it is installed, else the one built against the tensorflow that is found.
 * @throws UserError when there is neither; the message says what to run
 */
export function tensorflowAddon(): TensorflowAddon {
  const official = officialAddon();
  if (official !== undefined) return { path: official, origin: "tfjs-node-gpu's own library" };
  const tensorflow = locateTensorflow();
  const { target } = planBuild(tensorflow);
  if (!existsSync(target))
    throw new UserError(
      `the tensorflow engine is not built for tensorflow ${tensorflow.version} in ${tensorflow.folder}: run \`npm run setup -- --engine tensorflow\``,
    );
  return { path: target, origin: tensorflow.folder };
}

/** Why `tensorflowAddon` has nothing to give, if so. Nothing is loaded. */
export function missingTensorflow(): string | undefined {
  if (officialAddon() !== undefined) return undefined;
  const { tensorflow, notices } = findTensorflow();
  if (!tensorflow) return [...notices, 'no tensorflow found'].join('; ');
  return existsSync(planBuild(tensorflow).target) ? undefined : `not built for the tensorflow ${tensorflow.version} that is here`;
}

/**
 * Compiles the addon against `tensorflow` (12 s), unless it is there, and returns its path.
 * @throws UserError without a compiler, or with the first lines of its errors and the command
 */
export function buildTensorflowAddon(tensorflow: Tensorflow, progress: Progress): Promise<string> {
  return compileAddon(planBuild(tensorflow), `compiling the tensorflow engine for tensorflow ${tensorflow.version}`, progress);
}
