import type { Quantization } from '../engine/engine';
import { contentHash } from '../util/files';
import { adapterHash, baseFolder, isAdapterFolder } from './adapters/adapterFolder';
import { openCheckpoint } from './checkpointFiles';
import { quantizedHash } from './loadModel';
import { ANY_TASK, readConfig } from './readConfig';
import { rememberedHash } from './rememberedHash';

/**
 * The `contentHash` that a model folder has once loaded (models/loadModel.ts), without loading its weights.
 * @param quantization how it would be loaded
 * @throws UserError for a folder that is no model
 */
export async function modelHash(folder: string, cacheFolder: string, quantization?: Quantization): Promise<string> {
  if (isAdapterFolder(folder))
    return adapterHash(folder, await modelHash(await baseFolder(folder), cacheFolder, quantization), cacheFolder);
  const { configText } = await readConfig(folder, ANY_TASK);
  const checkpoint = await openCheckpoint(folder);
  try {
    const hashes = [];
    for (const path of checkpoint.paths) hashes.push(await rememberedHash(path, cacheFolder));
    const ofFiles = contentHash(configText, ...hashes);
    return quantization ? quantizedHash(ofFiles, quantization) : ofFiles;
  } finally {
    await checkpoint.close();
  }
}
