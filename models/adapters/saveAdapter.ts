import { join } from 'node:path';
import { currentEngine } from '../../engine/engine';
import { writeAtomic } from '../../util/files';
import { writeSafetensors } from '../safetensors';
import { CONFIG_FILE, WEIGHTS_FILE } from './adapterConfig';
import { BASE_HASH, BASE_QUANTIZATION } from './loadAdapter';
import type { Adapter } from './types';

/** Writes an adapter as PEFT does: adapter_model.safetensors, then adapter_config.json. @throws UserError */
export async function saveAdapter({ config, weights, baseHash, trainedOn }: Adapter, folder: string): Promise<void> {
  const engine = currentEngine();
  const tensors = Object.entries(weights).map(([name, weight]) => ({
    name,
    shape: weight.shape,
    values: () => engine.readParameter(weight),
  }));
  await writeSafetensors(join(folder, WEIGHTS_FILE), tensors, {
    format: 'pt',
    [BASE_HASH]: baseHash,
    ...(trainedOn !== undefined && { [BASE_QUANTIZATION]: trainedOn }),
  });
  await writeAtomic(join(folder, CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
}
