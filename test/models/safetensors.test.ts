import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '../../models/safetensors';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
  path = join(folder, 'x.safetensors');
});
afterEach(() => rm(folder, { recursive: true }));

/** A file with this header and so many bytes after it. */
function fileOf(header: unknown, data: Uint8Array, length?: bigint): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([prefix, json, data]);
}

test('what is written is read back, metadata and empty tensors included', async () => {
  await writeSafetensors(
    path,
    [
      { name: 'a', shape: [2, 2], values: Float32Array.of(1, -2, 3.5, Infinity) },
      { name: 'empty', shape: [0, 3], values: new Float32Array(0) },
      { name: 'scalar', shape: [], values: () => Float32Array.of(7) },
    ],
    { format: 'pt', note: 'x' },
  );
  const file = await readSafetensors(path);
  expect([...file.entries.keys()]).toEqual(['a', 'empty', 'scalar']);
  expect(file.entries.get('a')!.shape).toEqual([2, 2]);
  expect(file.metadata).toEqual({ format: 'pt', note: 'x' });
  expect([...(await file.read('a'))]).toEqual([1, -2, 3.5, Infinity]);
  expect([...(await file.read('empty'))]).toEqual([]);
  expect([...(await file.read('scalar'))]).toEqual([7]);
  await expect(file.read('b')).rejects.toThrow(`${path}: holds no tensor b`);
  await file.close();
  expect((await readFile(path)).readBigUInt64LE() % 8n).toBe(0n);
  expect(await readdir(folder)).toEqual(['x.safetensors']);
});

test('float16 and bfloat16, all kinds of values', async () => {
  // largest and smallest normal, largest and smallest subnormal, infinity, NaN, negative zero
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x03ff, 0x0001, 0x7c00, 0x7e00, 0x8000, 0x8001);
  const brains = Uint16Array.of(0x3f80, 0xc049, 0x7f80);
  const header = { h: { dtype: 'F16', shape: [10], data_offsets: [0, 20] }, b: { dtype: 'BF16', shape: [3], data_offsets: [20, 26] } };
  await writeFile(path, fileOf(header, Buffer.concat([Buffer.from(halves.buffer), Buffer.from(brains.buffer)])));
  const file = await readSafetensors(path);
  const expected = [1, -2, 65504, 2 ** -14, 1023 * 2 ** -24, 2 ** -24, Infinity, NaN, -0, -(2 ** -24)];
  expect([...(await file.read('h'))]).toEqual(expected);
  expect([...(await file.read('b'))]).toEqual([1, -3.140625, Infinity]);
  await file.close();
});

test('a tensor of more than one chunk', async () => {
  const count = (1 << 23) + 5;
  const values = Uint16Array.from({ length: count }, (_, i) => (i % 1000) + 0x3f00);
  await writeFile(path, fileOf({ b: { dtype: 'BF16', shape: [count], data_offsets: [0, 2 * count] } }, Buffer.from(values.buffer)));
  const file = await readSafetensors(path);
  const bits = new Uint32Array((await file.read('b')).buffer);
  expect(bits.length).toBe(count);
  expect(bits.every((value, i) => value === values[i] << 16)).toBe(true);
  await file.close();
});

const F32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({ dtype: 'F32', shape, data_offsets: [begin, end] });

test.each<[string, Buffer, RegExp]>([
  ['an empty file', Buffer.alloc(0), /truncated: 0 bytes, a safetensors file has at least 8/],
  ['a header beyond the file', fileOf('{}', Buffer.alloc(0), 5000n), /truncated: its header ends at byte 5008, the file at 10/],
  ['an absurd header', fileOf('{}', Buffer.alloc(8), 2n ** 60n), /a header of 1152921504606846976 bytes, at most 100000000 are allowed/],
  ['a header that is no JSON', fileOf('{"a": ', Buffer.alloc(0)), /header is not valid JSON/],
  ['a header that is a list', fileOf('[]', Buffer.alloc(0)), /header is not a JSON object/],
  ['a truncated file', fileOf({ a: F32(0, 8), b: F32(8, 16) }, Buffer.alloc(12)), /tensor b: ends at byte \d+, but the file has \d+ bytes/],
  ['overlapping tensors', fileOf({ b: F32(4, 12), a: F32(0, 8) }, Buffer.alloc(12)), /tensors a and b overlap/],
  ['a tensor inside another', fileOf({ a: F32(0, 12), b: F32(4, 8) }, Buffer.alloc(12)), /tensors a and b overlap/],
  [
    'a name twice',
    fileOf(
      `{"x\\"{": ${JSON.stringify(F32(0, 4))}, "a": ${JSON.stringify(F32(4, 8))}, "a": ${JSON.stringify(F32(8, 12))}}`,
      Buffer.alloc(12),
    ),
    /tensor a is listed twice/,
  ],
  ['a shape that does not fit', fileOf({ a: F32(0, 8, [3]) }, Buffer.alloc(8)), /tensor a: F32 \[3\] takes 12 bytes, the file gives it 8/],
  ['a negative length', fileOf({ a: F32(0, 8, [-2]) }, Buffer.alloc(8)), /tensor a: shape is \[-2\]/],
  ['offsets the wrong way round', fileOf({ a: F32(8, 4, [1]) }, Buffer.alloc(8)), /tensor a: data_offsets is \[8,4\]/],
  ['no dtype', fileOf({ a: { shape: [1], data_offsets: [0, 4] } }, Buffer.alloc(4)), /tensor a: dtype is undefined/],
  ['an entry that is no object', fileOf({ a: 3 }, Buffer.alloc(4)), /tensor a: its header entry is not an object/],
])('%s', async (_, bytes, message) => {
  await writeFile(path, bytes);
  const error: Error = await readSafetensors(path).then(
    () => new Error('accepted'),
    (reason: Error) => reason,
  );
  expect(error.message).toMatch(message);
  expect(error.name).toBe('UserError');
  expect(error.message.startsWith(path)).toBe(true);
});

test('a dtype that cannot be read is an error only when it is read', async () => {
  await writeFile(path, fileOf({ a: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, Buffer.alloc(8)));
  const file = await readSafetensors(path);
  await expect(file.read('a')).rejects.toThrow(/tensor a is stored as I64; readable are F32, F16, BF16/);
  await file.close();
});

test('a missing file and a folder', async () => {
  await expect(readSafetensors(path)).rejects.toThrow(`cannot read ${path}: no such file or folder`);
  await expect(readSafetensors(folder)).rejects.toThrow(/is a folder/);
});

test('a write that fails leaves nothing', async () => {
  const tensors = [{ name: 'a', shape: [2], values: new Float32Array(3) }];
  await expect(writeSafetensors(path, tensors)).rejects.toThrow(/internal: tensor a/);
  expect(await readdir(folder)).toEqual([]);
});
