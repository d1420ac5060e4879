import type { Quantization } from '../engine/engine';
import { disposeModel, loadModel } from '../models/loadModel';
import type { Model } from '../models/types';
import type { Progress } from '../util/progress';

/** A model by its folder, its linear weights in 4 bits or as they are. */
export interface ShelvedModel {
  folder: string;
  quantization?: Quantization | undefined;
}

/** Frozen models, no more of them in memory than are needed at once. */
export interface ModelShelf {
  /** Loads these and frees all others. */
  take<const F extends readonly ShelvedModel[]>(...wanted: F): Promise<{ [I in keyof F]: Model }>;
  /** Frees all. */
  clear(): void;
}

/** An empty shelf. @param cacheFolder where hashes of weight files are remembered  @param warn takes lines about a model's files, each once */
export function modelShelf(cacheFolder: string, progress: Progress, warn?: (line: string) => void): ModelShelf {
  const loaded = new Map<string, Model>();
  // a model on its base model, and the base model itself, come from the same files
  const said = new Set<string>();
  const warnOnce = (line: string): void => {
    if (!said.has(line)) warn?.(line);
    said.add(line);
  };
  const key = ({ folder, quantization }: ShelvedModel): string => JSON.stringify([folder, quantization]);
  const keep = (wanted: readonly ShelvedModel[]): void => {
    const keys = wanted.map(key);
    for (const [place, model] of loaded) {
      if (keys.includes(place)) continue;
      disposeModel(model);
      loaded.delete(place);
    }
  };
  return {
    async take(...wanted) {
      keep(wanted);
      for (const one of wanted) {
        if (loaded.has(key(one))) continue;
        loaded.set(
          key(one),
          await loadModel(one.folder, { trainable: false, quantization: one.quantization, cacheFolder, warn: warnOnce }, progress),
        );
      }
      return wanted.map((one) => loaded.get(key(one))!) as { [I in keyof typeof wanted]: Model };
    },
    clear: () => keep([]),
  };
}
