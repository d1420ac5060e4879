import * as tf from '@tensorflow/tfjs-core';

/** A kernel of tfjs's `cpu` backend on copies of the inputs. */
export function viaCpu(kernel: tf.KernelFunc): tf.KernelFunc {
  return ({ inputs, backend, attrs }) => {
    const [cpu, own] = [tf.findBackend('cpu') as tf.KernelBackend, backend as tf.KernelBackend];
    // lists of tensors stay lists
    const copied: Record<string, tf.TensorInfo> = Array.isArray(inputs) ? ([] as never) : {};
    for (const [name, info] of Object.entries(inputs as Readonly<Record<string, tf.TensorInfo>>)) {
      if (!info) continue;
      copied[name] = { ...info, dataId: cpu.write(own.readSync(info.dataId), info.shape, info.dtype) };
    }
    const made = kernel({ inputs: copied, backend: cpu, attrs });
    const results = (Array.isArray(made) ? made : [made]).map((info) => ({
      ...info,
      dataId: own.write(cpu.readSync(info.dataId), info.shape, info.dtype),
    }));
    [made, Object.values(copied)].flat().forEach(({ dataId }) => cpu.disposeData(dataId, true));
    return Array.isArray(made) ? results : results[0];
  };
}
