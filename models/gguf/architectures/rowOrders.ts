import type { TensorChange } from '../ggufArchitecture';

/**
 * Undoes what llama.cpp's converter does to Llama's queries and keys: it puts the two values that turn together side by side, where
 * Hugging Face's have them half a head apart.
 */
export function halvesApart(headWidth: number): TensorChange {
  const half = headWidth / 2;
  return {
    rows: (row) => {
      const inHead = row % headWidth;
      return row - inHead + 2 * (inHead % half) + Math.floor(inHead / half);
    },
  };
}

/** From all queries, all keys, all values to query, key and value of each head, as BLOOM and GPT-NeoX have them. */
export function headsTogether(heads: number, headWidth: number): TensorChange {
  return {
    rows: (row) => {
      const head = Math.floor(row / (3 * headWidth));
      const part = Math.floor(row / headWidth) % 3;
      return (part * heads + head) * headWidth + (row % headWidth);
    },
  };
}
