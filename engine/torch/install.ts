import type { Progress } from '../../util/progress';
import { hasNvidiaCard } from '../nvidiaCard';
import { installPackage } from '../pipInstall';
import { locateTorch, privateTorchFolder, type Torch } from './locate';

/** The version that set-up installs: tried, and the same for everyone. */
export const TORCH_VERSION = '2.13.0';

/**
 * Installs torch into the private folder (about 30 s from a local index), without CUDA where there is no NVIDIA card and an index offers such a build.
 * @throws UserError saying what is missing, or with pip's own error
 */
export async function installTorch(progress: Progress): Promise<Torch> {
  const requirements = hasNvidiaCard() ? [`torch==${TORCH_VERSION}`] : [`torch==${TORCH_VERSION}+cpu`, `torch==${TORCH_VERSION}`];
  await installPackage({ name: `torch ${TORCH_VERSION}`, requirements, target: privateTorchFolder(), variable: 'DPO_TORCH' }, progress);
  return locateTorch();
}
