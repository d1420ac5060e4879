import { baseName, isAdapterFolder, setAdapterBase } from '../models/adapters/adapterFolder';
import { trainedWeights } from '../models/adapters/attachAdapter';
import { quantizationText } from '../models/adapters/baseQuantization';
import { unties } from '../models/adapters/copies';
import { createAdapter } from '../models/adapters/createAdapter';
import { chosenModules } from '../models/adapters/chosenModules';
import { disposeModel, loadModel } from '../models/loadModel';
import { readConfig } from '../models/readConfig';
import { localFolder, localModel } from '../models/localModel';
import type { Model } from '../models/types';
import { UserError } from '../util/errors';
import type { Progress } from '../util/progress';
import type { Checkpoint } from './checkpoint';
import { loraOptions, quantizationOf } from './loraOptions';
import { createOptimizer, type Optimizer } from './optimizer';
import type { RunConfig } from './runConfig';

/** Where news of the work goes. */
interface Listener {
  progress: Progress;
  say: (line: string) => void;
}

/** The folder that a run starts from: the model's, or that of an adapter on it. @throws UserError for an adapter that is none */
export async function startingModel({ model, adapter }: RunConfig, host: Listener): Promise<string> {
  const base = await localModel(model, host);
  if (adapter === undefined) return base;
  if (isAdapterFolder(base))
    throw new UserError(`--model ${model} is an adapter itself: name its base model there, or leave --adapter out`);
  const folder = await localFolder(adapter, host);
  if (!isAdapterFolder(folder)) throw new UserError(`--adapter ${adapter}: holds no adapter; it must be a folder with adapter_config.json`);
  setAdapterBase(folder, base);
  return folder;
}

/** Refuses an adapter that cannot be made, before anything is computed. @throws UserError */
export async function checkAdapter(config: RunConfig): Promise<void> {
  quantizationOf(config);
  const lora = loraOptions(config);
  if (!lora && config.loraDropout !== undefined && !isAdapterFolder(config.model))
    throw new UserError('--lora-dropout is for LoRA: give --lora-rank or --adapter');
  if (!lora) return;
  if (isAdapterFolder(config.model))
    throw new UserError(
      `--lora-rank makes a new adapter, but --model ${config.model} is one already: leave --lora-rank out to train it on`,
    );
  const { architecture, config: shape } = await readConfig(config.model);
  chosenModules(architecture, shape, lora);
}

/** The model and optimizer to go on with: the base model's, or the checkpoint's in place of it. @param name the base model as it was named */
export async function startingPoint(
  name: string,
  config: RunConfig,
  base: Model,
  checkpoint: Checkpoint | undefined,
  host: Listener,
): Promise<{ model: Model; optimizer: Optimizer }> {
  if (!checkpoint) {
    const lora = loraOptions(config);
    const model = lora ? createAdapter(base, lora, baseName(name)) : ownSettings(base, name, config);
    if (model.adapter && unties(base.architecture, base.config, model.adapter))
      host.say('the model ties its head to its embedding, and the adapter makes different things of them: dpo-import --merge writes both');
    return { model, optimizer: await createOptimizer(config, trainedWeights(model)) };
  }
  setAdapterBase(checkpoint.modelFolder, base.folder);
  // freed first: there may be no room for two
  disposeModel(base);
  const loaded = await loadModel(
    checkpoint.modelFolder,
    { trainable: true, quantization: quantizationOf(config), cacheFolder: config.cache, warn: host.say },
    host.progress,
  );
  // the tokenizer's files are copied from the base model's folder: the checkpoint may be deleted before the run ends
  const model = ownSettings({ ...loaded, folder: base.folder }, name, config);
  const state = await checkpoint.optimizerState();
  try {
    return { model, optimizer: await createOptimizer(config, trainedWeights(model), state) };
  } finally {
    await state.close();
  }
}

/** A loaded adapter with what the run says of it in place of what its adapter_config.json says. */
function ownSettings(model: Model, name: string, { adapter: named, loraDropout }: RunConfig): Model {
  const { adapter } = model;
  if (!adapter) return model;
  const rate = loraDropout ?? adapter.dropout.rate;
  // what is attached to the weights reads it there
  adapter.dropout.rate = rate;
  const base = named === undefined ? {} : { base_model_name_or_path: baseName(name) };
  const trainedOn = model.quantization && quantizationText(model.quantization);
  const { trainedOn: _before, ...rest } = adapter;
  return {
    ...model,
    adapter: { ...rest, config: { ...adapter.config, ...base, lora_dropout: rate }, ...(trainedOn !== undefined && { trainedOn }) },
  };
}
