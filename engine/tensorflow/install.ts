import type { Progress } from '../../util/progress';
import { hasNvidiaCard } from '../nvidiaCard';
import { installPackage } from '../pipInstall';
import { locateTensorflow, privateTensorflowFolder, type Tensorflow } from './locate';

/** The version that set-up installs. */
export const TENSORFLOW_VERSION = '2.21.0';

/**
 * Installs tensorflow into the private folder: with CUDA's libraries where there is an NVIDIA card, else the smaller build for CPUs, of which
 * the libraries are all that is needed.
 * @throws UserError saying what is missing, or with pip's own error
 */
export async function installTensorflow(progress: Progress): Promise<Tensorflow> {
  const gpu = hasNvidiaCard();
  const requirements = gpu
    ? [`tensorflow[and-cuda]==${TENSORFLOW_VERSION}`]
    : [`tensorflow-cpu==${TENSORFLOW_VERSION}`, `tensorflow==${TENSORFLOW_VERSION}`];
  const where = { target: privateTensorflowFolder(), variable: 'DPO_TENSORFLOW' };
  await installPackage({ name: `tensorflow ${TENSORFLOW_VERSION}`, requirements, ...where, options: gpu ? [] : ['--no-deps'] }, progress);
  return locateTensorflow();
}
