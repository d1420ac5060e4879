import { join } from 'node:path';
import { chooseModelFiles } from '../util/hub/chooseModelFiles';
import { hubModel, repoText } from '../util/hub/hubReference';
import { hubSnapshot, type SnapshotOptions } from '../util/hub/hubSnapshot';
import { CONFIG_FILE, readAdapterConfig } from './adapters/adapterConfig';
import { isAdapterFolder, setAdapterBase } from './adapters/adapterFolder';

/**
 * The folder of a model that is named by a folder, or by `owner/name[@revision]` on the hub: then it is brought into the hub's cache, and
 * so is the base model of an adapter that names one on the hub.
 * @throws UserError for a name that is neither, naming both
 */
export async function localModel(source: string, options: SnapshotOptions): Promise<string> {
  const folder = await localFolder(source, options);
  if (isAdapterFolder(folder)) {
    const { base } = await readAdapterConfig(join(folder, CONFIG_FILE));
    if (base !== null && hubModel(base)) setAdapterBase(folder, await localFolder(base, options));
  }
  return folder;
}

/** The folder that a name means, without what it may need beside it. */
export async function localFolder(source: string, options: SnapshotOptions): Promise<string> {
  const repo = hubModel(source);
  return repo ? hubSnapshot(repo, (paths) => chooseModelFiles(paths, repoText(repo)), options) : source;
}
