import type { EngineName } from '../../engine/engine';
import { startEngine } from '../../engine/startEngine';

/** The engine that model tests run on: libtorch where nothing else is asked for, since tfjs's own backend takes seconds a gradient. */
export async function startTestEngine(engine: EngineName = 'torch'): Promise<void> {
  await startEngine({ engine, device: 'cpu', precision: 'float32' });
}
