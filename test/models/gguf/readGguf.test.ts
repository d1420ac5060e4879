import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readGguf } from '../../../models/gguf/readGguf';
import { UserError } from '../../../util/errors';
import { randomStream } from '../../../util/random';
import { goldenPath } from './goldens';

const folder = mkdtempSync(join(tmpdir(), 'gguf-'));
afterAll(() => rmSync(folder, { recursive: true }));
const original = readFileSync(goldenPath('tinyGemma3.gguf'));
const path = join(folder, 'x.gguf');

function messageFor(bytes: Uint8Array): string | undefined {
  writeFileSync(path, bytes);
  try {
    readGguf(path);
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.message).toContain(path);
    expect(error.message).not.toContain('\n');
    return error.message;
  }
}

/** A header made by hand: `parts` are bytes, strings (with their length), 32-bit and 64-bit numbers. */
type Part = string | { u32: number } | { u64: bigint } | { f32: number } | { bytes: number[] };
function gguf(...parts: Part[]): Buffer {
  const encode = (part: Part): Buffer => {
    if (typeof part === 'string') return Buffer.concat([encode({ u64: BigInt(Buffer.byteLength(part)) }), Buffer.from(part)]);
    if ('bytes' in part) return Buffer.from(part.bytes);
    const out = Buffer.alloc('u64' in part ? 8 : 4);
    if ('u64' in part) out.writeBigUInt64LE(part.u64);
    else if ('u32' in part) out.writeUInt32LE(part.u32);
    else out.writeFloatLE(part.f32);
    return out;
  };
  return Buffer.concat([Buffer.from('GGUF'), ...parts.map(encode)]);
}
const padding = { bytes: Array.from({ length: 200 }, () => 0) };
const header = (tensors: number, entries: number): Part[] => [{ u32: 3 }, { u64: BigInt(tensors) }, { u64: BigInt(entries) }];
const tensor = (dimensions: number[], type: number, offset = 0n): Part[] => [
  'w',
  { u32: dimensions.length },
  ...dimensions.map((length) => ({ u64: BigInt(length) })),
  { u32: type },
  { u64: offset },
];

test('reads metadata and tensors that the gguf package wrote', () => {
  const file = readGguf(goldenPath('tinyGemma3.gguf'));
  expect(file.version).toBe(3);
  expect(file.metadata.get('general.architecture')).toBe('gemma3');
  expect(file.metadata.get('gemma3.embedding_length')).toBe(32);
  expect(file.metadata.get('tokenizer.ggml.add_bos_token')).toBe(true);
  expect(file.metadata.get('gemma3.rope.freq_base')).toBe(1e6);
  expect((file.metadata.get('tokenizer.ggml.tokens') as string[]).slice(0, 4)).toEqual(['<pad>', '<eos>', '<bos>', '<unk>']);
  const down = file.tensors.find(({ name }) => name === 'blk.1.ffn_down.weight');
  expect(down).toMatchObject({ shape: [32, 64], type: 'Q8_0', bytes: 32 * 2 * 34 });
  expect(file.tensors).toHaveLength(28);
});

test('reads a version 2 file with integers beyond 2^53', () => {
  writeFileSync(path, gguf({ u32: 2 }, { u64: 0n }, { u64: 1n }, 'seed', { u32: 10 }, { u64: 2n ** 63n + 1n }));
  expect(readGguf(path).metadata.get('seed')).toBe(2n ** 63n + 1n);
});

test('truncated anywhere: one clear line', () => {
  for (let length = 0; length < original.length; length += length < 200 ? 1 : 331) {
    expect(messageFor(original.subarray(0, length))).toMatch(/truncated|not a GGUF file/);
  }
  expect(messageFor(original)).toBeUndefined();
});

test('damaged bytes: read, or one clear line, never anything else', () => {
  const random = randomStream(3);
  let refused = 0;
  for (let round = 0; round < 150; round++) {
    const bytes = Buffer.from(original);
    for (let i = 0; i < 3; i++) bytes[Math.floor(random() * 9000)] = Math.floor(random() * 256);
    if (messageFor(bytes) !== undefined) refused++;
  }
  expect(refused).toBeGreaterThan(30);
});

test.each<[string, Buffer, string]>([
  ['other file', Buffer.from('PK\x03\x04 and more'), 'not a GGUF file: it starts with "PK\\u0003\\u0004", not "GGUF"'],
  ['version 1', gguf({ u32: 1 }, padding), 'version 1 of GGUF; little-endian versions 2 and 3 can be read'],
  ['big-endian', gguf({ u32: 0x03000000 }, padding), 'a big-endian file of GGUF'],
  ['absurd tensor count', gguf({ u32: 3 }, { u64: 2n ** 60n }, { u64: 0n }, padding), 'number of tensors is 1152921504606847000'],
  [
    'absurd entry count',
    gguf({ u32: 3 }, { u64: 0n }, { u64: 10n ** 9n }, padding),
    'number of metadata entries is 1000000000; the rest of the file has room for 15',
  ],
  ['absurd string', gguf(...header(0, 1), { u64: 10n ** 12n }, padding), 'length of the name of metadata entry 0 is 1000000000000'],
  [
    'absurd array',
    gguf(...header(0, 1), 'k', { u32: 9 }, { u32: 4 }, { u64: 99n }, padding),
    'length of k is 99; the rest of the file has room for 50',
  ],
  ['unknown value type', gguf(...header(0, 1), 'k', { u32: 77 }, padding), 'metadata entry k has type 77; 0 to 12 are allowed'],
  ['no truth value', gguf(...header(0, 1), 'k', { u32: 7 }, { bytes: [9] }, padding), 'metadata entry k is 9, not a truth value'],
  ['entry twice', gguf(...header(0, 2), 'k', { u32: 4 }, { u32: 1 }, 'k', { u32: 4 }, { u32: 1 }), '"k" appears twice'],
  [
    'bad alignment',
    gguf(...header(0, 1), 'general.alignment', { u32: 4 }, { u32: 12 }),
    'general.alignment is 12; a positive multiple of 8',
  ],
  [
    'unreadable type',
    gguf(...header(1, 0), ...tensor([32], 10), padding),
    'tensor w has type number 10 (Q2_K); these can be read: F32, F16, BF16',
  ],
  ['unknown type', gguf(...header(1, 0), ...tensor([32], 999), padding), 'tensor w has type number 999; these can be read'],
  ['too many dimensions', gguf(...header(1, 0), ...tensor([1, 1, 1, 1, 1], 0), padding), 'tensor w has 5 dimensions; 1 to 4 are allowed'],
  ['no values', gguf(...header(1, 0), ...tensor([0], 0), padding), 'tensor w has a dimension of 0'],
  ['broken blocks', gguf(...header(1, 0), ...tensor([33], 8), padding), 'tensor w has rows of 33 values; Q8_0 needs a multiple of 32'],
  ['off alignment', gguf(...header(1, 0), ...tensor([8], 0, 4n), padding), 'tensor w lies at 4, not at a multiple of 32'],
  ['data missing', gguf(...header(1, 0), ...tensor([4096], 0), padding), 'tensor w needs bytes 64 to 16448, the file has'],
  ['tensor twice', gguf(...header(2, 0), ...tensor([8], 0), ...tensor([8], 0), padding), 'tensor "w" appears twice'],
])('%s', (_name, bytes, message) => {
  expect(messageFor(bytes)).toContain(message);
});

test('a missing file and a folder are named', () => {
  expect(() => readGguf(join(folder, 'none.gguf'))).toThrow('cannot read ' + join(folder, 'none.gguf') + ': no such file or folder');
  expect(() => readGguf(folder)).toThrow('is a folder, not a file');
});
