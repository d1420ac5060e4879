import * as tf from '@tensorflow/tfjs-core';

/** A copy of a plain structure (objects, arrays, maps) with every tensor in it replaced; everything else is the same. */
export function mapTensors<T>(value: T, replace: (tensor: tf.Tensor) => tf.Tensor): T {
  const map = (item: unknown): unknown => {
    if (item instanceof tf.Tensor) return replace(item);
    if (item instanceof Map) return new Map([...item].map(([key, inner]) => [key, map(inner)]));
    if (typeof item !== 'object' || item === null || ArrayBuffer.isView(item)) return item;
    if (Array.isArray(item)) return item.some((inner) => typeof inner === 'object') ? item.map(map) : item;
    return Object.fromEntries(Object.entries(item).map(([key, inner]) => [key, map(inner)]));
  };
  return map(value) as T;
}

/** The tensors of a plain structure, each once, and the structure over others in their places. */
export function tensorsWithin<T>(value: T): { tensors: tf.Tensor[]; over: (tensors: readonly tf.Tensor[]) => T } {
  const places = new Map<tf.Tensor, number>();
  mapTensors(value, (tensor) => {
    if (!places.has(tensor)) places.set(tensor, places.size);
    return tensor;
  });
  return { tensors: [...places.keys()], over: (tensors) => mapTensors(value, (tensor) => tensors[places.get(tensor)!]) };
}
