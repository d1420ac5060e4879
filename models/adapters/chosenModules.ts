import { UserError } from '../../util/errors';
import type { Architecture, BaseConfig } from '../types';
import { embeddingAndHead, targetModules, type AdaptableModule } from './adaptableModules';
import { savedModules, type SavedModule } from './savedModules';
import type { LoraOptions, TiedModules } from './types';

/** The modules that an adapter goes on, and those that it trains whole. */
export interface ChosenModules {
  targets: AdaptableModule[];
  saved: SavedModule[];
  tied?: TiedModules;
}

/** The modules that options name; with `ensureWeightTying` embedding and head both where either is named. @throws UserError */
export function chosenModules(
  architecture: Architecture,
  config: BaseConfig,
  { targets, modulesToSave = [], ensureWeightTying = false }: Pick<LoraOptions, 'targets' | 'modulesToSave' | 'ensureWeightTying'>,
): ChosenModules {
  const adapted = targetModules(architecture, config, targets);
  const saved = savedModules(architecture, config, modulesToSave, adapted);
  if (!ensureWeightTying) return { targets: adapted, saved };
  const refusal = (text: string): UserError => new UserError(`--lora-ensure-weight-tying: ${text}`);
  if (!config.tiedHead) throw refusal(`the head of this ${config.modelType} is a weight of its own, tied to nothing; leave the option out`);
  const tied = embeddingAndHead(architecture, config);
  const both = [tied.embedding, tied.head];
  const [byLora, whole] = [adapted, saved].map((modules) => modules.some(({ name }) => both.includes(name)));
  const pair = both.join(' and ');
  if (byLora && whole) throw refusal(`name ${pair} in --lora-targets or in --lora-modules-to-save, not one in each`);
  if (!byLora && !whole)
    throw refusal(`neither --lora-targets nor --lora-modules-to-save names one of ${pair}; name one, or leave the option out`);
  if (byLora) return { targets: targetModules(architecture, config, [...targets, ...both]), saved, tied };
  return { targets: adapted, saved: savedModules(architecture, config, [...modulesToSave, ...both], adapted), tied };
}
