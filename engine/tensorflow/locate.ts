import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../../util/errors';
import { defaultCacheFolder } from '../../util/files';
import { findPythonPackage, type PackageSource } from '../pythonPackage';

/** A libtensorflow to build the addon of `@tensorflow/tfjs-node-gpu` against. */
export interface Tensorflow {
  /** The `tensorflow` package's folder, which holds the libraries and `include/`. */
  folder: string;
  version: string;
  source: PackageSource<'DPO_TENSORFLOW'>;
}

/** What the addon is linked against. */
export const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];

/** Where set-up installs a tensorflow of its own when asked to: `tensorflow-env` in the cache folder. */
export function privateTensorflowFolder(): string {
  return join(defaultCacheFolder(), 'tensorflow-env');
}

/** Reads what a tensorflow package's folder holds; a string says why it is none that the addon can be built against. */
function inspect(folder: string, source: Tensorflow['source']): Tensorflow | string {
  const missing = [...LIBRARIES, 'include/tensorflow/c/eager/c_api.h'].find((file) => !existsSync(join(folder, file)));
  if (missing !== undefined) return `${folder} lacks ${missing}`;
  // two names of one folder share one build
  const real = realpathSync(folder);
  // no file of the package itself states its version in plain text
  const versions = readdirSync(dirname(real)).flatMap(
    (name) => /^tensorflow(?:_cpu|_gpu|_intel)?-(\d.*)\.dist-info$/.exec(name)?.[1] ?? [],
  );
  return { folder: real, version: versions[0] ?? 'of unknown version', source };
}

/**
 * Finds tensorflow: the folder that `DPO_TENSORFLOW` names (site-packages or the tensorflow folder itself), else the one that `python3` imports,
 * else the one that set-up made. One that cannot be used is passed over, and a notice says so.
 */
export function findTensorflow(): { tensorflow?: Tensorflow; notices: string[] } {
  const { found, notices } = findPythonPackage('tensorflow', 'DPO_TENSORFLOW', privateTensorflowFolder(), inspect);
  return { ...(found && { tensorflow: found }), notices };
}

/** As `findTensorflow`. @throws UserError when there is none */
export function locateTensorflow(): Tensorflow {
  const { tensorflow, notices } = findTensorflow();
  if (tensorflow) return tensorflow;
  const what = 'no tensorflow to run on: `npm run setup -- --engine tensorflow` installs one, DPO_TENSORFLOW names a folder that holds one';
  throw new UserError([...notices, what].join('; '));
}
