import { chooseModelFiles } from '../util/hub/chooseModelFiles';
import { hubModel, repoText } from '../util/hub/hubReference';
import { hubSnapshot, type SnapshotOptions } from '../util/hub/hubSnapshot';

/**
 * The folder of a model that is named by a folder, or by `owner/name[@revision]` on the hub: then it is brought into the hub's cache.
 * @throws UserError for a name that is neither, naming both
 */
export async function localModel(source: string, options: SnapshotOptions): Promise<string> {
  const repo = hubModel(source);
  return repo ? hubSnapshot(repo, (paths) => chooseModelFiles(paths, repoText(repo)), options) : source;
}
