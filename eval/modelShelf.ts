import { disposeModel, loadModel } from '../models/loadModel';
import type { Model } from '../models/types';
import type { Progress } from '../util/progress';

/** Frozen models by folder, no more of them in memory than are needed at once. */
export interface ModelShelf {
  /** Loads these and frees all others. */
  take<const F extends readonly string[]>(...folders: F): Promise<{ [I in keyof F]: Model }>;
  /** Frees all. */
  clear(): void;
}

/** An empty shelf. @param cacheFolder where hashes of weight files are remembered  @param warn takes a line about weights that are not finite */
export function modelShelf(cacheFolder: string, progress: Progress, warn?: (line: string) => void): ModelShelf {
  const loaded = new Map<string, Model>();
  const keep = (folders: readonly string[]): void => {
    for (const [folder, model] of loaded) {
      if (folders.includes(folder)) continue;
      disposeModel(model);
      loaded.delete(folder);
    }
  };
  return {
    async take(...folders) {
      keep(folders);
      for (const folder of folders)
        if (!loaded.has(folder)) loaded.set(folder, await loadModel(folder, { trainable: false, cacheFolder, warn }, progress));
      return folders.map((folder) => loaded.get(folder)!) as { [I in keyof typeof folders]: Model };
    },
    clear: () => keep([]),
  };
}
