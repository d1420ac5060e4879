import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '../../goldens/gguf');

/** The path of a file that test/goldens/ggufFiles.py wrote. */
export const goldenPath = (name: string): string => join(FOLDER, name);

/** What the gguf package and transformers make of the tiny files. */
export interface Expected {
  /** By file and weight: shape, first four values, sum, and sum of value times (index mod 7). */
  values: Record<string, Record<string, { shape: number[]; first: number[]; sums: [number, number] }>>;
  tokens: Record<string, [text: string, ids: number[]][]>;
  merges: Record<string, [string, string][]>;
}

export const readGoldenJson = <T>(name: string): T => JSON.parse(readFileSync(goldenPath(name), 'utf8'));

/** The tensors of a safetensors file, read by hand. */
export function readTensors(path: string): Record<string, { dtype: string; shape: number[]; bytes: Buffer }> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => [name, { dtype, shape, bytes: file.subarray(8 + length + from, 8 + length + to) }],
      ),
  );
}
